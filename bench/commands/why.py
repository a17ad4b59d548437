"""The command `why`: why a run is done, or would be done again.

In: how to compose a configuration, settings. Out: text, and an exit code. Touches: nothing; rows are read.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hydra.errors import MissingConfigException

from bench.commands.shared import answer
from bench.machine.settings import PlannedSettings
from bench.plan.plan import Compose, declared, plan
from bench.plan.why import Reason, StudyState, explain
from bench.rows.store import Store, studies
from bench.schema import Run, UserError


@dataclass(frozen=True, kw_only=True)
class WhySettings(PlannedSettings):
    """The settings of `why`."""

    runs: list[Any]  # ids or their first digits; Hydra reads one of digits alone as a number


def why(compose: Compose, launch: Any, settings: WhySettings) -> int:
    """Print for each run what the next sweep of its study would do with it, and why."""
    if not settings.runs:
        raise UserError("which run? Write `python -m bench why ID`, or the first digits of its id")
    reasons = [reason for prefix in settings.runs for reason in reasons_for(str(prefix), compose, settings)]
    record = {"runs": [asdict(reason) for reason in reasons]}
    print(answer(record, "\n".join(reason.text for reason in reasons), settings))
    return 0


def reasons_for(prefix: str, compose: Compose, settings: WhySettings) -> list[Reason]:
    """The reasons in the study of the command line if it has the run, else in every study that has it.

    Raises UserError when none has.
    """
    if not re.fullmatch("[0-9a-f]{1,16}", prefix):
        raise UserError(
            f"{prefix!r} is not the id of a run, nor its first digits: an id has 16 digits, 0 to 9 and a to f"
        )
    for states in (here(compose, settings), elsewhere(compose, settings)):
        found = [(state, id) for state in states if (id := state.find(prefix))]
        if found:
            return [explain(state, id) for state, id in found]
    raise UserError(
        f"no run {prefix} is known: neither the rows in {settings.results} nor study {settings.study.name}, "
        "as this command line composes it, have an id that begins with it"
    )


def here(compose: Compose, settings: WhySettings) -> Iterator[StudyState]:
    """The study of the command line, as it would be swept."""
    study, overrides = settings.study, settings.overrides
    known = bool(study.axes or overrides)  # only the command line of its sweep names the runs of any other study
    runs = plan(compose, study, overrides).runs if known else None
    yield state_of(Store(settings.results, study.name), runs)


def elsewhere(compose: Compose, settings: WhySettings) -> Iterator[StudyState]:
    """The other studies under results/, each as its yaml declares it."""
    for name in studies(settings.results):
        if name != settings.study.name:
            try:
                state = state_of(Store(settings.results, name), declared_runs(compose, name))
            except UserError as unreadable:
                print(f"study {name} is left out: {unreadable}", file=sys.stderr)
            else:
                yield state


def declared_runs(compose: Compose, study: str) -> list[Run] | None:
    """The runs that a study declares in its yaml; None where it has no yaml, or no axes in it."""
    try:
        found = declared(compose([f"study={study}"]))
    except MissingConfigException:
        return None
    return plan(compose, found, []).runs if found.axes else None


def state_of(store: Store, runs: list[Run] | None) -> StudyState:
    """A study's runs, rows and last plan."""
    declared = None if runs is None else {run.id: run for run in runs}
    return StudyState(store.folder.name, declared, store.read(curves=False), store.read_plan() or [])
