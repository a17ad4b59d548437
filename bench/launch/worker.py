"""What a launched process does: the runs of its job, in packs, one row each.

In: the configuration that Hydra's launcher hands over. Out: nothing. Touches: the device, results/ through rows.
"""

import atexit
import dataclasses
import gc
import math
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from itertools import chain
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from bench import failpoint, registry
from bench.launch import shutdown
from bench.launch.failure import OUT_OF_MEMORY, failed_row, failure_class, first_line
from bench.launch.timeout import limited
from bench.machine import allocator
from bench.machine.gpus import own_gpu
from bench.plan import job
from bench.plan.shape import packs
from bench.rows import tracking
from bench.rows.redaction import redacted
from bench.rows.store import Store
from bench.schema import FINAL, PREEMPTED, Machine, Row, Run, UserError
from bench.train import stop
from bench.train.checkpoint import checkpointing

# a process that ends need not look for garbage among all that torch has brought, which takes it a second
atexit.register(gc.freeze)


def perform(config: DictConfig) -> None:
    """What Hydra's launcher calls, here or in another process: the runs of `config.job`, one row each."""
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    own = job.from_text(settings["job"])
    store = Store(settings["results"], own.runs[0].study)
    machine = dataclasses.replace(machine_of(settings), graphed=own.graphed)
    allocator.configure(machine.threads, own.packing)
    shutdown.attend(store.leases(60 * settings["claim_expiry"]), own.sweep)
    with own_gpu(own.processes) if machine.device == "cuda" else nullcontext():
        waiting = packs(own.runs, own.packing)
        while waiting and not stop.wished():
            pack, *waiting = waiting
            if failure := do(pack, machine, store, own.sweep, settings):
                waiting = halved(pack, waiting, failure)
            failpoint.reach("between_runs")
    shutdown.leave(own.sweep)


def do(runs: Sequence[Run], machine: Machine, store: Store, sweep: str, settings: Mapping[str, Any]) -> str:
    """Train the runs of a pack side by side and write their rows, but for those that another process does or has done.

    The class of failure where several runs came to nothing together, which says little of each; else nothing. Raises
    UserError as soon as the disk refuses, before the training if it can be known by then.
    """
    leases = store.leases(60 * settings["claim_expiry"])
    with ExitStack() as held:
        attempts = {run.id: held.enter_context(leases.held(run.id, in_words(run), sweep)) for run in runs}
        ours = [run for run in runs if attempts[run.id] and store.status(run.id) not in FINAL]
        if not ours:
            return ""
        # the trace of a process that hangs names its run, where it is but one
        trace = leases.trace(ours[0].id) if len(ours) == 1 else None
        with limited(settings["timeout"], len(ours), trace) as over:
            rows = rows_of(ours, machine)
        if isinstance(rows, str):
            return rows
        for run, row in zip(ours, rows, strict=True):
            if over() and row.status == PREEMPTED and not stop.wished():
                cause = f"not done after {settings['timeout']:g} minutes, the timeout of a run"
                row = failed_row(run, "timeout", cause, device=machine.device)
            keep(row, attempts[run.id], store, settings)
    return ""


def keep(row: Row, attempt: int, store: Store, settings: Mapping[str, Any]) -> None:
    """Write the row of a run, which was tried so many times."""
    if store.status(row.id) in FINAL:  # the leases were lost, and another was faster
        return
    if row.error:
        row.error["attempts"] = attempt + store.retried()[row.id]
    store.write(row)
    if row.status in FINAL:
        tracking.mirror(row, settings["tracking"], store.folder)


def halved(pack: Sequence[Run], waiting: Sequence[Sequence[Run]], failure: str) -> list[list[Run]]:
    """What is left to do once a pack came to nothing: its halves, and what waits behind it.

    What does not fit in memory will not fit behind it either, so all packs are made smaller then.
    """
    size = math.ceil(len(pack) / 2)
    if failure == OUT_OF_MEMORY:
        return packs([*pack, *chain(*waiting)], size)
    return [*packs(pack, size), *map(list, waiting)]


def machine_of(settings: Mapping[str, Any]) -> Machine:
    """The machine that the settings describe, `auto` decided.

    Raises UserError for a device that is not here, and a distance between checkpoints that is none.
    """
    device, has_gpu = settings["device"], torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if has_gpu else "cpu"
    if device not in ("cpu", "cuda") or (device == "cuda" and not has_gpu):
        raise UserError(f"device={device} is not here; there is {'cpu, cuda' if has_gpu else 'cpu'}, or auto")
    return Machine(
        device,
        settings["threads"],
        settings["data"],
        settings["download"],
        checkpointing(settings),
        compiled=settings["compile"],
    )


def rows_of(runs: Sequence[Run], machine: Machine) -> list[Row] | str:
    """The rows of runs that train side by side. What one of them raises becomes a failed row where it is alone, so that
    one bad run never takes the others along; of several it is the class of failure alone.
    """
    try:
        rows: list[Row] = registry.build(runs[0], "task")(runs, machine)
    except (Exception, SystemExit) as raised:
        failure, cause = failure_class(raised), redacted(str(raised))
        if len(runs) == 1:
            print(f"run {runs[0].id} failed: {cause}", file=sys.stderr)
            return [failed_row(runs[0], failure, str(raised), traceback.format_exc(), device=machine.device)]
    else:
        return rows
    told = "do not fit in memory" if failure == OUT_OF_MEMORY else f"failed ({first_line(cause)})"
    print(f"{len(runs)} runs side by side {told}; now in halves", file=sys.stderr)
    allocator.release_memory()  # the tensors of what was raised
    return failure


def in_words(run: Run) -> str:
    """Which run this is, for people."""
    words = ("model", "normalization", "activation", "initializer", "dataset")
    return (
        "/".join(str(run.choices[word]) for word in words if word in run.choices) + f" seed {run.choices.get('seed')}"
    )
