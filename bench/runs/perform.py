"""What a launched process does: the runs of its pack, one row each.

In: the configuration that Hydra's launcher hands over. Out: nothing. Touches: the device, results/ through rows.
"""

import platform
import sys
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from bench import fault, registry
from bench.rows import environment, tracking
from bench.rows.redaction import redacted
from bench.rows.store import Store
from bench.runs import drain, pack, stop
from bench.runs.checkpoint import checkpointing
from bench.runs.devices import own_gpu
from bench.runs.limit import limited
from bench.schema import FAILED, FINAL, PREEMPTED, Machine, Row, Run, UserError

# what torch says where it raises no error of memory but a RuntimeError
WORDS_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


def perform(config: DictConfig) -> None:
    """What Hydra's launcher calls, here or in another process: the runs of `config.pack`, one row each."""
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    runs, sweep = pack.from_text(settings["pack"])
    store, machine = Store(settings["results"], runs[0].study), machine_of(settings)
    torch.set_num_threads(machine.threads)
    drain.attend(store.claims(60 * settings["claim_expiry"]), sweep)
    with own_gpu() if machine.device == "cuda" else nullcontext():
        for run in runs:
            if not stop.wished():
                do(run, machine, store, sweep, settings)
            fault.point("between_runs")
    drain.leave(sweep)


def do(run: Run, machine: Machine, store: Store, sweep: str, settings: Mapping[str, Any]) -> None:
    """Train one run and write its row, unless another process does or has done it.

    Raises UserError as soon as the disk refuses, before the training if it can be known by then.
    """
    claims = store.claims(60 * settings["claim_expiry"])
    with claims.held(run.id, in_words(run), sweep) as attempt:
        if not attempt or store.status(run.id) in FINAL:
            return
        with limited(settings["timeout"], claims.trace(run.id)) as over:
            row = row_of(run, machine)
        if over() and row.status == PREEMPTED and not stop.wished():
            cause = f"not done after {settings['timeout']:g} minutes, the timeout of a run"
            row = failed_row(run, "timeout", cause, device=machine.device)
        if store.status(run.id) in FINAL:  # the claims were lost, and another was faster
            return
        if row.error:
            row.error["attempts"] = attempt + store.retried()[run.id]
        store.write(row)
        if row.status in FINAL:
            tracking.mirror(row, settings["tracking"], store.folder)


def machine_of(settings: Mapping[str, Any]) -> Machine:
    """The machine that the settings describe, `auto` decided.

    Raises UserError for a device that is not here, and a distance between checkpoints that is none.
    """
    device, has_gpu = settings["device"], torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if has_gpu else "cpu"
    if device not in ("cpu", "cuda") or (device == "cuda" and not has_gpu):
        raise UserError(f"device={device} is not here; there is {'cpu, cuda' if has_gpu else 'cpu'}, or auto")
    return Machine(device, settings["threads"], settings["data"], settings["download"], checkpointing(settings))


def row_of(run: Run, machine: Machine) -> Row:
    """The row of a run; what it raises becomes a failed row, so that one bad run never takes the others along."""
    try:
        rows: list[Row] = registry.build(run, "task")([run], machine)
    except (Exception, SystemExit) as raised:
        print(f"run {run.id} failed: {redacted(str(raised))}", file=sys.stderr)
        return failed_row(run, failure_class(raised), str(raised), traceback.format_exc(), device=machine.device)
    return rows[0]


def failed_row(run: Run, failure: str, cause: str, trace: str = "", **known: Any) -> Row:
    """The row of a run that came to nothing; `failure` is one of FAILURES."""
    cause = cause.strip().partition("\n")[0] or failure
    error = {"class": failure, "cause": cause, "traceback": trace, "attempts": 1, "node": platform.node(), **known}
    return Row(run.id, run.study, FAILED, run.choices, environment=environment.describe(), error=error)


def failure_class(raised: BaseException) -> str:
    """The class of failure of what a run raised: out_of_memory or error."""
    if isinstance(raised, MemoryError | torch.OutOfMemoryError):
        return "out_of_memory"
    told = isinstance(raised, RuntimeError) and any(words in str(raised) for words in WORDS_OF_MEMORY)
    return "out_of_memory" if told else "error"


def in_words(run: Run) -> str:
    """Which run this is, for people."""
    words = ("model", "normalization", "activation", "initializer", "dataset")
    return (
        "/".join(str(run.choices[word]) for word in words if word in run.choices) + f" seed {run.choices.get('seed')}"
    )
