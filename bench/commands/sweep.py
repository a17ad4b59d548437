"""The commands that plan runs and train them: sweep, run and plan go through the sweeper in hydra_plugins/.

In: what the sweeper hands over: how to compose, how to launch, the settings. Out: text, and an exit code.
Touches: what a sweep touches.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from bench.commands.report import table
from bench.commands.settings import shown
from bench.rows.store import Store
from bench.schema import FAILED, FINAL, UserError


def train(config: DictConfig) -> None:
    """What Hydra's launcher calls for each job; torch is brought in by the process that trains."""
    from bench.launch.worker import perform

    perform(config)


def sweep(compose: Any, launch: Any, settings: Mapping[str, Any]) -> int:
    """Train what a study lacks and print its table; 1 when a run failed."""
    from bench.launch.sweep import sweep as do
    from bench.plan.plan import plan

    asked = plan(compose, settings["study"], settings["overrides"])
    store = Store(settings["results"], asked.study)
    do(asked, store, launch, settings)
    print(table(store, settings))
    return outcome(store, [run.id for run in asked.runs])


def run(compose: Any, launch: Any, settings: Mapping[str, Any]) -> int:
    """Train one run, if it has no row yet, and print its row; 1 when it failed."""
    from bench.launch.sweep import sweep as do
    from bench.plan.plan import plan

    asked = plan(compose, settings["study"], settings["overrides"])
    if len(asked.runs) > 1:
        raise UserError(f"these are {len(asked.runs)} runs; `python -m bench sweep` takes more than one")
    store = Store(settings["results"], asked.study)
    do(asked, store, launch, settings)
    row = store.read().rows[asked.runs[0].id]
    print(json.dumps({"id": row.id, "status": row.status, **row.measures, "error": row.error}, indent=1))
    return outcome(store, [row.id])


def plan(compose: Any, launch: Any, settings: Mapping[str, Any]) -> int:
    """Say what a sweep with the same overrides would do, and how long it would take; nothing is trained."""
    from bench.launch.sweep import left, rehearse
    from bench.plan.plan import plan as make
    from bench.plan.shape import shape

    asked = make(compose, settings["study"], settings["overrides"])
    store = Store(settings["results"], asked.study)
    missing = left(asked.runs, store.read(curves=False), settings["retry"], store.retried())
    minutes = 0.0
    if missing:
        expected, crew = rehearse(missing, settings)
        minutes = sum(expected[shape(run)].seconds for run in missing) / crew.processes / 60
    said = {
        "study": asked.study,
        "total": len(asked.runs),
        "done": len(asked.runs) - len(missing),
        "left": len(missing),
        "skipped": asked.skipped,
        "minutes": round(minutes, 4),
    }
    text = "study {study}: {total} runs, {done} done, {left} left ({skipped} skipped); about {minutes:.1f} minutes"
    print(shown(said, text.format(**said), settings))
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
