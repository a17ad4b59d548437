"""What a sweep with these settings would use of this machine, and why.

In: settings, Hydra's launcher. Out: decisions. Touches: nothing; the device is queried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalogue
from bench.launch.autotune import PER_GPU, WORTH_S, Memory, graphs
from bench.launch.launcher import in_this_process, processes_of, starts_all
from bench.launch.preflight import one_each
from bench.machine import environment, precision
from bench.machine.machine import machine_of
from bench.machine.settings import Settings
from bench.schema import AUTO, Interval

MEASURED = f"a sweep of more than {WORTH_S:g} s measures what is fastest"


@dataclass(frozen=True)
class ChosenLauncher:
    """Hydra's launcher: its name on the command line, its configuration, and the names of all launchers."""

    name: str
    configuration: Mapping[str, Any]
    names: Sequence[str]


@dataclass(frozen=True)
class Decision:
    """What a sweep will use, and why."""

    value: str | int | bool
    because: str


def decisions(settings: Settings, precision: str | None, launcher: ChosenLauncher) -> dict[str, Decision]:
    """Everything that is decided before a sweep begins. `precision` is that of the runs; None: the default of conf/.

    Raises UserError, as the sweep itself would, for what this machine cannot do.
    """
    here = machine_of(settings).device
    return {
        "device": device(settings.device, here),
        "precision": numbers(precision, here),
        "threads": Decision(settings.threads, f"threads={settings.threads}: of torch, in each process"),
        "processes": processes(settings.processes, settings.threads, launcher, here),
        "packing": packing(settings.packing, settings.cache, here),
        "graph": graph(settings.graph, here),
        "checkpoints": checkpoints(settings.checkpoint.interval),
    }


def device(setting: str, here: str) -> Decision:
    """Where runs train."""
    return Decision(here, reason("device", setting, f"torch can use {'a' if here == 'cuda' else 'no'} GPU"))


def numbers(setting: str | None, here: str) -> Decision:
    """The precision in which runs compute; None stands for the default of conf/.

    Raises UserError for another precision.
    """
    automatic, units = precision.resolved(AUTO, here), units_of(here)
    if setting is None:
        default = catalogue.options("task")["train"]["precision"]
        return Decision(default, f"the default of a run; precision=auto would be {automatic}: {units}")
    chosen = precision.resolved(str(setting), here)
    return Decision(chosen, reason("precision", setting, units) + (f": {units}" if setting != AUTO else ""))


def units_of(here: str) -> str:
    """A sentence on what a device has to multiply bf16 with."""
    if here == "cuda":
        return f"the GPU has {'units' if precision.resolved(AUTO, here) == precision.BF16 else 'no units'} for bf16"
    return f"the processor has {' and '.join(flags()) or 'none of ' + ', '.join(precision.FLAGS)}"


def flags() -> list[str]:
    """The flags of this processor that decide what a sweep uses."""
    return [flag for flag in precision.FLAGS if flag in environment.processor_flags()]


def processes(setting: int | str, threads: int, launcher: ChosenLauncher, here: str) -> Decision:
    """How many processes train at once; `launcher.processes_of` and `preflight.workers` decide it."""
    name, configuration = f"hydra/launcher={launcher.name}", launcher.configuration
    count = processes_of(setting, configuration)
    if in_this_process(configuration):
        return Decision(count, f"{name} trains in the process of the sweep itself")
    if starts_all(configuration):
        return Decision(count, reason("processes", setting, f"{name} starts one per core"))
    if "n_jobs" not in configuration:
        return Decision("as launched", f"{name} decides how many jobs run at once")
    if count == AUTO and here == "cuda":
        text = f"one per GPU; up to {PER_GPU}, where {MEASURED}"
        return Decision(one_each(here, threads), reason("processes", AUTO, text))
    if count == AUTO:
        unit = "core" if threads == 1 else f"{threads} cores, for as many threads"
        text = f"one per {unit}, or fewer where memory is short"
        return Decision(one_each(here, threads), reason("processes", AUTO, text))
    if setting == AUTO:
        return Decision(count, f"hydra.launcher.n_jobs={configuration['n_jobs']}")
    return Decision(count, reason("processes", setting))


def packing(setting: int | str, cache: Path | None, here: str) -> Decision:
    """How many runs of one shape a process trains side by side."""
    if setting == AUTO and here == "cpu":
        return Decision(1, reason("packing", AUTO, "on a CPU no pack is faster than runs one after the other"))
    known = len(Memory(cache).everything())
    busy = "" if environment.has_free_core() else ", unlike now"
    lasting = f"{MEASURED}; it keeps what it has measured on a quiet machine{busy} ({known} kept so far)"
    return Decision(setting, reason("packing", setting, lasting))


def graph(setting: bool | str, here: str) -> Decision:
    """Whether the steps of a training are captured once and replayed.

    Raises UserError for graph=true without a GPU.
    """
    captured, *others = graphs(setting, here, worth=True)
    if others:
        return Decision(AUTO, reason("graph", AUTO, f"as is faster, where {MEASURED}"))
    return Decision(captured, reason("graph", setting, "steps are captured on a GPU alone"))


def checkpoints(interval: Interval) -> Decision:
    """When a run leaves a checkpoint."""
    if interval == Interval():
        return Decision("when stopped", "checkpoint.every=null: a run leaves one when it is asked to stop")
    every = f"{interval.epochs} epochs" if interval.epochs else f"{interval.seconds:g} s"
    return Decision(f"every {every}", "checkpoint.every, and when it is asked to stop")


def reason(key: str, setting: str | int | bool, automatic: str = "") -> str:
    """Why a setting has its value: the user gave it, or, for auto, what decides it."""
    if setting == AUTO:
        return f"{key}=auto: {automatic}"
    return f"{key}={str(setting).lower() if isinstance(setting, bool) else setting} is asked for"
