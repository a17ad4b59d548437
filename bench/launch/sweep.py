"""The sweep: it trains the runs of a plan that have no final row.

In: a plan, a launcher, settings. Out: rows in the store. Touches: results/ through rows, processes through Hydra.
"""

import sys
from collections.abc import Mapping, Sequence

from bench import failpoint
from bench.launch.progress import Progress
from bench.launch.scheduler import Launch, Scheduler
from bench.machine.settings import Settings
from bench.plan.job import Expected, Workers
from bench.plan.plan import Plan
from bench.plan.shape import Shape
from bench.rows.store import Reading, Store
from bench.schema import FAILED, FINAL, Run, UserError


def sweep(plan: Plan, store: Store, launch: Launch, settings: Settings, declared: Sequence[str] = ()) -> None:
    """Train the runs of the plan that have no final row.

    `declared`: words that declare the study, for commands to come. Raises UserError, before anything is trained, for a
    mistake in the plan or the data; also raises what `Scheduler.train` raises.
    """
    reading = store.read(curves=False)
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
    missing = left(plan.runs, reading, settings.retry, store.retried())
    if missing:
        expected, workers = try_out(missing, settings)
    store.prepare()  # a mistake leaves no folder behind
    if missing:
        store.make_way(run.id for run in missing if run.id in reading.unread or failed(run, reading))
    store.write_declared(declared)
    store.write_plan((run.id for run in plan.runs), len(plan.later))
    failpoint.reach("after_plan")
    if missing:
        progress = Progress(store, plan.runs, missing, bool(plan.later))
        Scheduler(missing, expected, workers, store, launch, settings, progress).train()
    store.leases(settings.lease_expiry_seconds).tidy({run.id for run in plan.runs})


def left(runs: Sequence[Run], reading: Reading, retry: str | None, retried: Mapping[str, int]) -> list[Run]:
    """The runs to train: those without a final row or, with `retry`, those that failed, or failed in that way.

    Raises UserError when there is nothing to retry.
    """
    rows = reading.rows
    unfinished = [run for run in runs if run.id not in rows or rows[run.id].status not in FINAL]
    if retry is None:
        return unfinished
    again = [run for run in runs if failed(run, reading, retry)]
    if not again and not any(run.id in retried for run in runs):
        raise UserError(
            f"retry={retry}: none of these {len(runs)} runs has failed so. Leave it out to do what is missing"
        )
    return again + [run for run in unfinished if run.id in retried]  # a kill came between


def failed(run: Run, reading: Reading, failure: str = "failed") -> bool:
    """Whether the row of the run is that of a failure, and of the class `failure` where one is named."""
    row = reading.rows.get(run.id)
    return row is not None and row.status == FAILED and failure in ("failed", (row.error or {}).get("class"))


def try_out(runs: Sequence[Run], settings: Settings) -> tuple[dict[Shape, Expected], Workers]:
    """The preflight of the runs: what is expected of each shape, and which processes train. Imports torch."""
    from bench.launch.preflight import preflight
    from bench.machine import allocator
    from bench.machine.machine import machine_of

    expected, workers = preflight(runs, machine_of(settings), settings)
    allocator.release_memory()  # the memory of the trials: other processes train now
    return expected, workers
