"""What a sweep with these settings would use of this machine, each with the reason.

In: settings, Hydra's launcher. Out: decisions. Touches: nothing; the device is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalogue
from bench.launch.autotune import PER_GPU, WORTH_S, Memory, graphs
from bench.launch.launcher import processes_of, starts_all
from bench.machine import environment, precision
from bench.machine.gpus import gpu_count
from bench.machine.machine import machine_of
from bench.machine.settings import Settings
from bench.schema import AUTO, Interval


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
        "processes": processes(settings.processes, launcher, here),
        "packing": packing(settings.packing, settings.cache, here),
        "graph": graph(settings.graph, here),
        "checkpoints": checkpoints(settings.checkpoint.interval),
    }


def device(asked: str, here: str) -> Decision:
    """Where runs train."""
    return Decision(
        here, asked_for("device", asked) or f"device=auto: torch can use {'a' if here == 'cuda' else 'no'} GPU"
    )


def numbers(asked: str | None, here: str) -> Decision:
    """In which precision runs compute; None stands for the default of conf/.

    Raises UserError for another precision.
    """
    automatic, units = precision.resolved(AUTO, here), units_of(here)
    if asked is None:
        default = catalogue.options("task")["train"]["precision"]
        return Decision(default, f"the default of a run; precision=auto would be {automatic}: {units}")
    return Decision(
        precision.resolved(str(asked), here), f"{asked_for('precision', asked) or 'precision=auto'}: {units}"
    )


def units_of(here: str) -> str:
    """What a device has to multiply bf16 with, in words."""
    if here == "cuda":
        return f"the GPU has {'units' if precision.resolved(AUTO, here) == precision.BF16 else 'no units'} for bf16"
    return f"the processor has {' and '.join(flags()) or 'none of ' + ', '.join(precision.FLAGS)}"


def flags() -> list[str]:
    """The flags of this processor that decide what a sweep uses."""
    return [flag for flag in precision.FLAGS if flag in environment.processor_flags()]


def processes(asked: int | str, launcher: ChosenLauncher, here: str) -> Decision:
    """How many processes train at once, as the sweeper and the rehearsal decide it."""
    told, configuration = f"hydra/launcher={launcher.name}", launcher.configuration
    count = processes_of(asked, configuration)
    if configuration["_target_"].endswith("basic_launcher.BasicLauncher"):
        return Decision(count, f"{told} trains in the process of the sweep itself")
    if starts_all(configuration):
        return Decision(count, asked_for("processes", asked) or f"processes=auto: {told} starts one per core")
    if "n_jobs" not in configuration:
        return Decision("as launched", f"{told} decides how many jobs run at once")
    if count != AUTO:
        return Decision(count, asked_for("processes", asked) or f"hydra.launcher.n_jobs={configuration['n_jobs']}")
    if here == "cuda":
        return Decision(
            max(1, gpu_count()),
            f"processes=auto: one per GPU; up to {PER_GPU}, where a sweep measures that to be faster",
        )
    return Decision(
        environment.usable_cores(), "processes=auto: one per core; fewer, where a sweep measures that to be faster"
    )


def packing(asked: int | str, cache: Path | None, here: str) -> Decision:
    """How many runs of one shape a process trains side by side."""
    if asked == AUTO and here == "cpu":
        return Decision(1, "packing=auto: on a CPU no pack is faster than runs one after the other")
    known = len(Memory(cache).everything())
    lasting = f"where more than {WORTH_S:g} s of training are left, a sweep measures what is fastest and remembers it"
    return Decision(asked, asked_for("packing", asked) or f"packing=auto: {lasting} ({known} so far)")


def graph(asked: bool | str, here: str) -> Decision:
    """Whether the steps of a training are captured once and played again.

    Raises UserError where they are to be and cannot.
    """
    captured, *others = graphs(asked, here, worth=True)
    if others:
        return Decision(AUTO, "graph=auto: where it is worth it, a sweep measures which way is faster")
    return Decision(captured, asked_for("graph", asked) or "graph=auto: steps are captured on a GPU alone")


def checkpoints(interval: Interval) -> Decision:
    """When a run leaves a checkpoint."""
    if interval == Interval():
        return Decision("when stopped", "checkpoint.every=null: a run leaves one when it is asked to stop")
    every = f"{interval.epochs} epochs" if interval.epochs else f"{interval.seconds:g} s"
    return Decision(f"every {every}", "checkpoint.every, and when it is asked to stop")


def asked_for(key: str, value: str | int | bool) -> str:
    """The reason where the user gives a value; "" for auto."""
    return "" if value == AUTO else f"{key}={str(value).lower() if isinstance(value, bool) else value} is asked for"
