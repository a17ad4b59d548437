"""The command `verify`: checks a study's rows. It goes through the sweeper, which composes the study.

In: a function that composes, the settings. Out: text, and an exit code. Touches: nothing; rows are read.
"""

from dataclasses import asdict, dataclass
from typing import Any

from bench.commands.claims import asked
from bench.commands.shared import answer, config_folders, known_store
from bench.launch.stages import known
from bench.machine.settings import Claim, PlannedSettings, Study
from bench.plan.plan import Compose, plan
from bench.plan.tune import with_shared
from bench.rows.registration import edited, older, registration
from bench.rows.registration import notes as about
from bench.rows.store import Store
from bench.rows.unfit import sentences
from bench.rows.verify import check, notes
from bench.schema import UserError


@dataclass(frozen=True, kw_only=True)
class VerifySettings(PlannedSettings):
    """The settings of `verify`."""

    mixed: bool


def verify(compose: Compose, launch: Any, settings: VerifySettings) -> int:
    """Check a study's rows and print what is wrong; the exit code is 1 where something is."""
    store = known_store(settings)
    study, reading = store.folder.name, store.read()
    if not reading.rows and not reading.remarks:
        raise UserError(f"study {study} has a plan and no row, so there is nothing to verify")
    planned, declared = planned_ids(compose, store, settings)
    if planned is not None:
        planned = [id for id in planned if id not in reading.left_out]
    rows = list(reading.rows.values())
    registered = registration(study, config_folders())
    before = older(rows, registered)
    wrong = check(study, reading, planned, settings.mixed, declared)
    remarks = [*notes(rows, planned), *sentences(reading.unfit), *about(registered, before)]
    remarks += edited(study, store.registered(), config_folders())
    record = {"study": study, "rows": len(rows), "wrong": wrong, "notes": remarks}
    record["registered"] = {key: getattr(registered, key) for key in ("file", "commit", "date", "missing")}
    record["older"] = asdict(before)
    head = f"study {study}: {len(rows)} whole rows, {len(wrong) or 'nothing'} wrong"
    lines = [head, *(f"  wrong: {line}" for line in wrong), *(f"  note: {line}" for line in remarks)]
    print(answer(record, "\n".join(lines), settings))
    return int(bool(wrong))


def planned_ids(compose: Compose, store: Store, settings: VerifySettings) -> tuple[list[str] | None, Study]:
    """The ids that the study should hold, by its yaml or this command line, else by the plan of its last sweep.

    Also the study, with what the runs say of it.
    """
    if isinstance(settings.study, Claim) and not settings.overrides:
        return sorted(asked(compose, settings.study, settings.results).ids), settings.study
    if settings.study.axes or settings.overrides:
        planned = plan(compose, settings.study, settings.overrides)
        study = with_shared(settings.study, planned.runs)
        return [run.id for run in known(planned, study, store).runs], study
    return store.read_plan(), settings.study
