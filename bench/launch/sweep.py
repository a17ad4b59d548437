"""The sweep: the runs of a plan that have no final row are packed and launched, until none is left.

In: a plan, a launcher, settings. Out: rows in the store. Touches: results/ through rows, processes through Hydra.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bench import failpoint
from bench.launch import timeout as limit
from bench.launch.progress import Progress
from bench.launch.scheduler import Launch, Launches
from bench.plan.job import Crew, Expected
from bench.plan.plan import Plan
from bench.plan.shape import Shape
from bench.rows import tracking
from bench.rows.store import Reading, Store
from bench.schema import FAILED, FAILURES, FINAL, Run, UserError


def sweep(plan: Plan, store: Store, launch: Launch, settings: Mapping[str, Any]) -> None:
    """Train what is missing.

    Raises UserError, before anything is trained, for a mistake in the plan or the data, and whatever `Launches` raises.
    """
    store.prepare()
    tracking.check(settings["tracking"])
    limit.check(settings["timeout"])
    reading = store.read(curves=False)
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
    missing = left(plan.runs, reading, settings["retry"], store.retried())
    if missing:
        expected, crew = rehearse(missing, settings)
        store.make_way(run.id for run in missing if run.id in reading.unread or failed(run, reading))
    store.write_plan(run.id for run in plan.runs)
    failpoint.reach("after_plan")
    if missing:
        progress = Progress(store, plan.runs, missing)
        Launches(missing, expected, crew, store, launch, settings, progress).train()
    store.leases(60 * settings["claim_expiry"]).tidy({run.id for run in plan.runs})


def left(runs: Sequence[Run], reading: Reading, retry: str | None, retried: Mapping[str, int]) -> list[Run]:
    """The runs to do: those without a final row or, to retry failures or one class of them, those that failed so.

    Raises UserError for a class that does not exist, and when there is nothing to retry.
    """
    rows = reading.rows
    unfinished = [run for run in runs if run.id not in rows or rows[run.id].status not in FINAL]
    if retry is None:
        return unfinished
    if retry not in ("failed", *FAILURES):
        raise UserError(
            f"retry={retry} is no way to fail; write retry=failed, or for one class of failures {', '.join(FAILURES)}"
        )
    again = [run for run in runs if failed(run, reading, retry)]
    if not again and not any(run.id in retried for run in runs):
        raise UserError(
            f"retry={retry}: none of these {len(runs)} runs has failed so. Leave it out to do what is missing"
        )
    return again + [run for run in unfinished if run.id in retried]  # a kill came between


def failed(run: Run, reading: Reading, failure: str = "failed") -> bool:
    """Whether the run has a row that says it failed, and in the way that `failure` names."""
    row = reading.rows.get(run.id)
    return row is not None and row.status == FAILED and failure in ("failed", (row.error or {}).get("class"))


def rehearse(runs: Sequence[Run], settings: Mapping[str, Any]) -> tuple[dict[Shape, Expected], Crew]:
    """What is expected of each shape, and who is to train; torch comes in here: a finished study answers without it."""
    from bench.launch import preflight, worker
    from bench.machine import allocator

    found = preflight.rehearse(runs, worker.machine_of(settings), settings)
    allocator.release_memory()  # what it was tried with: others train now
    return found
