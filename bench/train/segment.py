"""The segments of a run: one, and one more for each time that it was resumed from a checkpoint.

In: a machine and times. Out: the sums over all segments. Touches: nothing; the device is queried.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bench.machine import environment
from bench.schema import Machine


@dataclass(frozen=True)
class Segment:
    """What one segment of a run took, in seconds of the wall clock; `training_seconds` are those of its steps."""

    device_name: str
    seconds: float
    training_seconds: float
    peak_memory_bytes: int


def segment(machine: Machine, seconds: float, training_seconds: float) -> Segment:
    """The segment that this process has done so far."""
    return Segment(device_name(machine), seconds, training_seconds, peak_memory_bytes(machine))


def training_seconds(segments: Sequence[Segment]) -> float:
    """Seconds spent in steps, over all segments."""
    return sum(one.training_seconds for one in segments)


def costs(segments: Sequence[Segment]) -> dict[str, float | int | None]:
    """The measures of what the run cost."""
    return {
        "seconds": sum(one.seconds for one in segments),
        "peak_memory_bytes": max(one.peak_memory_bytes for one in segments),
    }


def devices(segments: Sequence[Segment]) -> dict[str, str | int]:
    """The devices that the run was on, and how often it was resumed."""
    names = dict.fromkeys(one.device_name for one in segments)
    return {"device_name": " + ".join(names), "preemptions": len(segments) - 1}


def device_name(machine: Machine) -> str:
    """The model of the GPU, or of the processor."""
    return torch.cuda.get_device_name() if machine.device == "cuda" else str(environment.describe()["processor"])


def peak_memory_bytes(machine: Machine) -> int:
    """On a GPU the most that torch held at once; else the most that this process has held, over all its runs so far."""
    return torch.cuda.max_memory_allocated() if machine.device == "cuda" else environment.peak_memory_bytes()
