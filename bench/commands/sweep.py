"""The commands that train runs, or plan to: sweep, run and plan.

In: how to compose a configuration, how to launch jobs, settings. Out: text, and an exit code. Touches: what a sweep
touches.
"""

import json
import sys
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig

from bench import catalogue
from bench.commands.report import table
from bench.commands.shared import answer, check_question, config_folders, show
from bench.launch.scheduler import Launch
from bench.machine.settings import PlannedSettings
from bench.plan.plan import Compose, Plan
from bench.plan.plan import plan as plan_runs
from bench.plan.shape import shape
from bench.rows.store import Store
from bench.schema import FAILED, FINAL, UserError


def planned_runs(compose: Compose, settings: PlannedSettings) -> tuple[Plan, Store]:
    """The runs of the study and its store. A new study that no yaml declares is said to be one of the user's own."""
    check_question(settings.study)
    planned = plan_runs(compose, settings.study, settings.overrides)
    store = Store(settings.results, planned.study)
    if planned.study not in catalogue.option_files("study", config_folders()) and not store.folder.exists():
        print(f"study {planned.study} is new: no yaml declares it, so it is one of your own", file=sys.stderr)
    return planned, store


def sweep(compose: Compose, launch: Launch, settings: PlannedSettings) -> int:
    """Train the missing runs of a study and print its table; 1 when a run failed."""
    planned, store = planned_runs(compose, settings)
    train(planned, store, launch, settings)
    show(table(store, settings))
    return outcome(store, [run.id for run in planned.runs])


def run(compose: Compose, launch: Launch, settings: PlannedSettings) -> int:
    """Train one run, if it has no row yet, and print its row; 1 when it failed."""
    planned, store = planned_runs(compose, settings)
    if len(planned.runs) > 1:
        raise UserError(f"these are {len(planned.runs)} runs; `python -m bench sweep` takes more than one")
    train(planned, store, launch, settings)
    row = store.read().rows[planned.runs[0].id]
    show(json.dumps({"id": row.id, "status": row.status, **row.measures, "error": row.error}, indent=1) + "\n")
    return outcome(store, [row.id])


def train(planned: Plan, store: Store, launch: Launch, settings: PlannedSettings) -> None:
    """Train the runs that have no row yet."""
    from bench.launch.sweep import sweep

    words = HydraConfig.get().overrides.task
    unused = [word for word in words if word.startswith("tracking.") and not word.startswith("tracking.name=")]
    if settings.tracking.name == "off" and unused:
        print(f"tracking=off: nothing goes to W&B, so {' and '.join(unused)} changes nothing", file=sys.stderr)
    sweep(planned, store, launch, settings)


def plan(compose: Compose, launch: Launch, settings: PlannedSettings) -> int:
    """Print what a sweep with the same overrides would train, and how long it would take; train nothing."""
    from bench.launch.sweep import left, try_out

    planned, store = planned_runs(compose, settings)
    missing = left(planned.runs, store.read(curves=False), settings.retry, store.retried())
    minutes = 0.0
    if missing:
        expected, workers = try_out(missing, settings)
        minutes = sum(expected[shape(run)].seconds for run in missing) / workers.processes / 60
    record = {
        "study": planned.study,
        "total": len(planned.runs),
        "done": len(planned.runs) - len(missing),
        "left": len(missing),
        "skipped": planned.skipped,
        "minutes": round(minutes, 4),
    }
    text = "study {study}: {total} runs, {done} done, {left} left ({skipped} skipped); about {minutes:.1f} minutes"
    print(answer(record, text.format(**record), settings))
    return 0


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
