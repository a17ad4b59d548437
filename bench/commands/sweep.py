"""The commands that train runs, or plan to: sweep, run and plan.

In: how to compose a configuration, how to launch jobs, settings. Out: text, and an exit code. Touches: what a sweep
touches.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig

from bench import catalogue
from bench.commands.report import table
from bench.commands.shared import answer, check_question, config_folders, log_of, show
from bench.launch.scheduler import Launch
from bench.machine.settings import Claim, PlannedSettings
from bench.plan.plan import Compose, Plan
from bench.plan.plan import plan as plan_runs
from bench.plan.shape import shape
from bench.plan.tune import with_shared
from bench.rows import tracking
from bench.rows.registration import digest
from bench.rows.store import Store
from bench.rows.unfit import sentences
from bench.schema import FAILED, FINAL, UserError

if TYPE_CHECKING:
    from bench.launch.sweep import Workload


def planned_runs(compose: Compose, settings: PlannedSettings) -> tuple[Plan, Store, PlannedSettings]:
    """The runs of the study, its store, and the settings with what the runs say of it.

    A new study that no yaml declares is said to be one of the user's own.
    """
    check_question(settings.study)
    planned = plan_runs(compose, settings.study, settings.overrides)
    store = Store(settings.results, planned.study)
    if planned.study not in catalogue.study_files(config_folders()) and not store.folder.exists():
        print(f"study {planned.study} is new: no yaml declares it, so it is one of your own", file=sys.stderr)
    for remark in planned.remarks:
        print(remark, file=sys.stderr)
    return planned, store, replace(settings, study=with_shared(settings.study, planned.runs))


def sweep(compose: Compose, launch: Launch, settings: PlannedSettings) -> int:
    """Train the missing runs of a study and print its table; 1 when a run failed."""
    planned, store, settings = planned_runs(compose, settings)
    done = train(planned, store, launch, settings)
    show(table(store, settings))
    return outcome(store, done)


def run(compose: Compose, launch: Launch, settings: PlannedSettings) -> int:
    """Train one run, if it has no row yet, and print its row; 1 when it failed."""
    from bench.launch.stages import known

    planned, store, settings = planned_runs(compose, settings)
    if (count := len(known(planned, settings.study, store).runs)) > 1:
        raise UserError(f"these are {count} runs; `python -m bench sweep` takes more than one")
    done = train(planned, store, launch, settings)
    row = store.read().rows[planned.runs[0].id]
    show(json.dumps({"id": row.id, "status": row.status, **row.measures, "error": row.error}, indent=1) + "\n")
    return outcome(store, done)


def train(planned: Plan, store: Store, launch: Launch, settings: PlannedSettings) -> list[str]:
    """Train the runs that have no row yet, then show the study in W&B.

    Returns the ids of all runs that the study asks for and whose initializer fits their model.
    """
    from bench.launch.stages import sweep_stages

    words = HydraConfig.get().overrides.task
    unused = [word for word in words if word.startswith("tracking.") and not word.startswith("tracking.name=")]
    if settings.tracking.name == "off" and unused:
        print(f"tracking=off: nothing goes to W&B, so {' and '.join(unused)} changes nothing", file=sys.stderr)
    register(store, settings)
    done = sweep_stages(planned, store, launch, settings)
    for remark in done.remarks:
        print(remark, file=sys.stderr)
    tracking.mirror_study(lambda: log_of(store), settings.tracking, store.folder)
    return [run.id for run in done.runs]


def register(store: Store, settings: PlannedSettings) -> None:
    """Write down the digest of a claim before its first run is trained."""
    if isinstance(settings.study, Claim) and (found := digest(store.folder.name, config_folders())):
        store.register(found)


def plan(compose: Compose, launch: Launch, settings: PlannedSettings) -> int:
    """Print what a sweep with the same overrides would train, and how long it would take; train nothing."""
    from bench.launch.stages import known

    base, store, settings = planned_runs(compose, settings)
    planned = known(base, settings.study, store)
    work, minutes = minutes_left(planned, store, settings)
    record = {
        "study": planned.study,
        "total": len(work.runs),
        "done": len(work.runs) - len(work.missing),
        "left": len(work.missing),
        "later": len(planned.later),
        "skipped": planned.skipped,
        "unfit": sentences(work.unfit),
        "minutes": round(minutes, 4),
    }
    print(answer(record, "\n".join([as_text(record), *sentences(work.unfit)]), settings))
    return 0


def minutes_left(planned: Plan, store: Store, settings: PlannedSettings) -> "tuple[Workload, float]":
    """What a plan has left to do, and the minutes that it takes on this machine with the runs that may follow."""
    from bench.launch.sweep import workload

    work = workload(planned.runs, store.read(curves=False), store, settings)
    shapes = [one for run in [*work.missing, *planned.later] if (one := shape(run)) in work.expected]
    return work, sum(work.expected[one].seconds for one in shapes) / work.workers.processes / 60


def as_text(record: Mapping[str, Any]) -> str:
    """What is planned in one line."""
    least = "at least " if record["later"] else ""
    stages = ", with {later} runs that later stages may add" if record["later"] else ""
    text = (
        "study {study}: " + least + "{total} runs, {done} done, {left} left ({skipped} skipped); about {minutes:.1f} "
    )
    return f"{text}minutes{stages}".format(**record)


def outcome(store: Store, ids: Sequence[str]) -> int:
    """The exit code of a sweep: 1 when a run failed or has no row, 0 when all are ok or diverged."""
    rows = store.read(curves=False).rows
    failures: dict[str, list[str]] = {}
    for row in (rows[id] for id in ids if id in rows and rows[id].status == FAILED):
        error = row.error or {}
        failures.setdefault(f"{error.get('class')}: {error.get('cause')}", []).append(row.id)
    for cause, failed in failures.items():
        print(f"failed, {cause}: {len(failed)} runs: {', '.join(failed)}", file=sys.stderr)
    if failures:
        count = sum(map(len, failures.values()))
        where = f"the whole traceback is in {store.folder}/ID.json, under error.traceback"
        print(f"failed runs: {count}; {where}; retry=failed does them again", file=sys.stderr)
    if lacking := [id for id in ids if id not in rows or rows[id].status not in FINAL]:
        print(f"runs without a row: {len(lacking)}; the same command without retry does them", file=sys.stderr)
    return int(bool(failures or lacking))
