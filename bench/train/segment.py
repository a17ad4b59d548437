"""The parts of a run: one, and one more for each time that it was taken up from a checkpoint.

In: a machine and what was timed. Out: what the parts come to together. Touches: nothing; the device is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bench.machine import environment
from bench.schema import Machine


@dataclass(frozen=True)
class Part:
    """What one part of a run took. Times are seconds of the wall clock; those of training leave out all else."""

    device_name: str
    seconds: float
    training_seconds: float
    peak_memory_bytes: int


def part(machine: Machine, seconds: float, training_seconds: float) -> Part:
    """The part that this process has done so far."""
    return Part(device_name(machine), seconds, training_seconds, peak_memory_bytes(machine))


def training_seconds(parts: Sequence[Part]) -> float:
    """Seconds spent in steps, over all parts."""
    return sum(part.training_seconds for part in parts)


def costs(parts: Sequence[Part]) -> dict[str, float | int | None]:
    """The measures that are no result of the run, but its price."""
    return {
        "seconds": sum(part.seconds for part in parts),
        "peak_memory_bytes": max(part.peak_memory_bytes for part in parts),
    }


def places(parts: Sequence[Part]) -> dict[str, str | int]:
    """Where the run was, all names where it has moved, and how often it was taken up again."""
    names = dict.fromkeys(part.device_name for part in parts)
    return {"device_name": " + ".join(names), "preemptions": len(parts) - 1}


def device_name(machine: Machine) -> str:
    """The model of the GPU, or of the processor."""
    return torch.cuda.get_device_name() if machine.device == "cuda" else str(environment.describe()["processor"])


def peak_memory_bytes(machine: Machine) -> int:
    """On a GPU the most that torch held at once; else the most that this process, with all its runs so far, had."""
    return torch.cuda.max_memory_allocated() if machine.device == "cuda" else environment.peak_memory_bytes()
