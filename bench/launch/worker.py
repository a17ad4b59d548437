"""A launched process: it trains the runs of its job in packs, and writes a row for each.

In: the configuration of a job, from Hydra's launcher. Out: rows. Touches: the device, results/ through rows.
"""

import atexit
import dataclasses
import gc
import math
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from itertools import chain
from typing import Any

from omegaconf import DictConfig, OmegaConf

from bench import failpoint
from bench.launch import shutdown
from bench.launch.failure import OUT_OF_MEMORY, failed_row, failure_class, first_line
from bench.launch.timeout import limited
from bench.machine import allocator, streams
from bench.machine.gpus import Lost, own_gpu, raise_if_lost
from bench.machine.machine import machine_of
from bench.machine.settings import MINUTE_S, Settings
from bench.plan.job import from_text
from bench.plan.shape import packs
from bench.rows import tracking
from bench.rows.redaction import redacted
from bench.rows.store import Store
from bench.schema import FINAL, PREEMPTED, Machine, Row, Run
from bench.train import stop, under_way
from bench.train.contract import task_of

# at its end a process need not look for garbage among everything that torch has imported, which takes a second
atexit.register(gc.freeze)


def work(config: DictConfig) -> None:
    """Train the runs of `config.job`. Hydra's launcher calls this, here or in another process."""
    streams.make_safe()
    configuration: Any = OmegaConf.to_container(config, resolve=True)
    settings, job = Settings.read(configuration), from_text(configuration["job"])
    store = Store(settings.results, job.runs[0].study)
    machine = dataclasses.replace(machine_of(settings), graphed=job.graphed)
    allocator.configure(machine.threads, job.packing)
    leases = store.leases(settings.lease_expiry_seconds)
    shutdown.follow(leases, job.sweep)
    with own_gpu(job.processes) if machine.device == "cuda" else nullcontext():
        waiting = packs(job.runs, job.packing)
        while waiting and not shutdown.stopped(leases, job.sweep):
            pack, *waiting = waiting
            if failure := train(pack, machine, store, job.sweep, settings):
                waiting = halved(pack, waiting, failure)
            failpoint.reach("between_runs")
    shutdown.raise_if_stopped(job.sweep)


def train(runs: Sequence[Run], machine: Machine, store: Store, sweep: str, settings: Settings) -> str:
    """Train the runs of a pack side by side and write their rows; skip those that another process trains or has done.

    Returns the class of failure where several runs failed together: which of them caused it is unknown; else "". Raises
    UserError as soon as the disk refuses, before the training where that is known by then.
    """
    leases = store.leases(settings.lease_expiry_seconds)
    with ExitStack() as held:
        attempts = {run.id: held.enter_context(leases.held(run.id, in_words(run), sweep)) for run in runs}
        ours = [run for run in runs if attempts[run.id] and store.status(run.id) not in FINAL]
        if not ours or shutdown.stopped(leases, sweep):  # asked now that the leases show whose runs they are
            return ""
        # the trace of a process that hangs names its run where it is the only one
        trace = leases.trace(ours[0].id) if len(ours) == 1 else None
        with limited(settings.timeout_seconds, len(ours), trace) as over, under_way.heard_by(leases.mark):
            try:
                rows = rows_of(ours, machine)
            except Lost as lost:  # while the leases show whose runs were under way
                shutdown.end_process(sweep, lost)
        if isinstance(rows, str):
            return rows
        for run, row in zip(ours, rows, strict=True):
            if over() and row.status == PREEMPTED and not stop.requested():
                minutes = (settings.timeout_seconds or 0) / MINUTE_S
                cause = f"not done after {minutes:g} minutes, the timeout of a run"
                row = failed_row(run, "timeout", cause, device=machine.device)
            keep(row, attempts[run.id], store, settings)
    return ""


def keep(row: Row, attempt: int, store: Store, settings: Settings) -> None:
    """Write the row of a run, at its `attempt`-th try."""
    if store.status(row.id) in FINAL:  # the leases were lost, and another process was faster
        return
    if row.error:
        row.error["attempts"] = attempt + store.retried()[row.id]
    store.write(row)
    if row.status in FINAL:
        tracking.mirror(row, settings.tracking, store.folder)


def halved(pack: Sequence[Run], waiting: Sequence[Sequence[Run]], failure: str) -> list[list[Run]]:
    """The packs left after a pack has failed: its halves, and the packs behind it.

    A pack that does not fit in memory will not fit later either, so all packs are made smaller then.
    """
    size = math.ceil(len(pack) / 2)
    if failure == OUT_OF_MEMORY:
        return packs([*pack, *chain(*waiting)], size)
    return [*packs(pack, size), *map(list, waiting)]


def rows_of(runs: Sequence[Run], machine: Machine) -> list[Row] | str:
    """The rows of runs that train side by side, or the class of failure where several of them fail together.

    An error of a run that trains alone becomes its failed row, so that one bad run never costs the rows of others.
    Raises Lost where the GPU answers this process no more: any other run would fail as well.
    """
    try:
        return task_of(runs[0]).perform(runs, machine)
    except (Exception, SystemExit) as raised:
        raise_if_lost()
        failure, cause, trace = failure_class(raised), str(raised), traceback.format_exc()
    allocator.release_memory()  # the tensors that the exception held
    if len(runs) == 1:
        print(f"run {runs[0].id} failed: {redacted(cause)}", file=sys.stderr)
        return [failed_row(runs[0], failure, cause, trace, device=machine.device)]
    outcome = "do not fit in memory" if failure == OUT_OF_MEMORY else f"failed ({first_line(redacted(cause))})"
    print(f"{len(runs)} runs side by side {outcome}; now in halves", file=sys.stderr)
    return failure


def in_words(run: Run) -> str:
    """The main choices of the run: resnet20/batch/relu/he_normal/digits seed 0."""
    words = ("model", "normalization", "activation", "initializer", "dataset")
    parts = [str(run.choices[word]) for word in words if word in run.choices]
    return f"{'/'.join(parts)} seed {run.choices.get('seed')}"
