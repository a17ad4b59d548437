"""What a launched process does: the runs of its pack, one row each.

In: the configuration that Hydra's launcher hands over. Out: nothing. Touches: the device, results/ through rows.
"""

import functools
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from bench import registry
from bench.rows import environment, tracking
from bench.rows.store import Store
from bench.runs import pack
from bench.schema import FAILED, Machine, Row, Run, UserError


def perform(config: DictConfig) -> None:
    """What Hydra's launcher calls, here or in another process: the runs of `config.pack`, one row each."""
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    machine = machine_of(settings)
    torch.set_num_threads(machine.threads)
    if multiprocessing.current_process().name != "MainProcess":
        end_with_parent()
    for run in pack.from_text(settings["pack"]):
        store = Store(settings["results"], run.study)
        row = row_of(run, machine)
        store.write(row)
        tracking.mirror(row, settings["tracking"], store.folder)


@functools.cache
def end_with_parent() -> None:
    """End this worker process as soon as its sweep is gone: a killed sweep leaves nothing behind that trains."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def machine_of(settings: Mapping[str, Any]) -> Machine:
    """The machine that the settings describe, `auto` decided.

    Raises UserError for a device that is not here.
    """
    device, has_gpu = settings["device"], torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if has_gpu else "cpu"
    if device not in ("cpu", "cuda") or (device == "cuda" and not has_gpu):
        raise UserError(f"device={device} is not here; there is {'cpu, cuda' if has_gpu else 'cpu'}, or auto")
    return Machine(device, settings["threads"], settings["data"], settings["download"])


def row_of(run: Run, machine: Machine) -> Row:
    """The row of a run; what it raises becomes a failed row, so that one bad run never takes the others along."""
    try:
        row: Row = registry.build(run, "task")(run, machine)
    except Exception as raised:
        print(f"run {run.id} failed: {raised}", file=sys.stderr)
        return failed_row(run, failure_class(raised), str(raised), traceback.format_exc())
    return row


def failed_row(run: Run, failure: str, cause: str, trace: str = "") -> Row:
    """The row of a run that came to nothing: `failure` is error, out_of_memory, timeout or killed."""
    error = {"class": failure, "cause": cause.strip().partition("\n")[0], "traceback": trace}
    return Row(run.id, run.study, FAILED, run.choices, environment=environment.describe(), error=error)


def failure_class(raised: Exception) -> str:
    """The class of failure of what a run raised."""
    return "out_of_memory" if isinstance(raised, MemoryError | torch.OutOfMemoryError) else "error"
