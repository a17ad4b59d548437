"""The sweep: it trains the runs of a plan that have no final row.

In: a plan, a launcher, settings. Out: rows in the store, and the runs that fit their model. Touches: results/ through
rows, processes through Hydra.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import failpoint
from bench.launch.progress import Progress
from bench.launch.scheduler import Launch, Scheduler
from bench.machine.settings import Settings
from bench.plan.job import Expected, Workers
from bench.plan.plan import Plan
from bench.plan.shape import Shape
from bench.rows.store import Reading, Store
from bench.rows.unfit import UnfitArm, sentences, unfit_arms
from bench.schema import FAILED, FINAL, Run, UserError


@dataclass(frozen=True)
class Workload:
    """What a sweep has to do: the runs of its plan that fit, those of them to train, what is expected of these.

    `unfit` are the arms that are left out.
    """

    runs: list[Run]
    missing: list[Run]
    expected: Mapping[Shape, Expected]
    workers: Workers
    unfit: list[UnfitArm]


def sweep(plan: Plan, store: Store, launch: Launch, settings: Settings, declared: Sequence[str] = ()) -> list[Run]:
    """Train the runs of the plan that have no final row, and return the runs of the plan that fit their model.

    `declared`: words that declare the study, for commands to come. Raises UserError, before anything is trained, for a
    mistake in the plan or the data; also raises what `Scheduler.train` raises.
    """
    reading = store.read(curves=False)
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
    work = workload(plan.runs, reading, store, settings)
    for sentence in sentences(work.unfit):
        print(sentence, file=sys.stderr)
    store.prepare()  # a mistake leaves no folder behind
    if work.missing:
        store.make_way(run.id for run in work.missing if run.id in reading.unread or failed(run, reading))
    store.write_declared(declared)
    store.write_plan([run.id for run in work.runs], work.unfit, len(plan.later))
    failpoint.reach("after_plan")
    if work.missing:
        progress = Progress(store, work.runs, work.missing, bool(plan.later))
        Scheduler(work.missing, work.expected, work.workers, store, launch, settings, progress).train()
    store.tidy({run.id for run in plan.runs}, settings.lease_expiry_seconds)
    return work.runs


def workload(runs: Sequence[Run], reading: Reading, store: Store, settings: Settings) -> Workload:
    """The preflight of a plan. Raises UserError for a mistake in it, and where no run of it fits its model."""
    missing = left(runs, reading, settings.retry, store.retried())
    expected, workers, reasons = try_out(missing, settings) if missing else ({}, Workers(1, 0.0), {})
    tried = {run.id for run in missing}
    reasons |= {
        id: arm.reason for id, arm in reading.left_out.items() if id not in tried
    }  # with retry, those of before
    unfit = unfit_arms(runs, reasons)
    fit = [run for run in runs if run.id not in reasons]
    if not fit:
        raise UserError(f"no run is left. {'; '.join(sentences(unfit))}; take another model or initializer")
    return Workload(fit, [run for run in missing if run.id not in reasons], expected, workers, unfit)


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


def try_out(runs: Sequence[Run], settings: Settings) -> tuple[dict[Shape, Expected], Workers, dict[str, str]]:
    """The preflight of the runs: see `preflight.preflight`. Imports torch."""
    from bench.launch.preflight import preflight
    from bench.machine import allocator
    from bench.machine.machine import machine_of

    found = preflight(runs, machine_of(settings), settings)
    allocator.release_memory()  # the memory of the trials: other processes train now
    return found
