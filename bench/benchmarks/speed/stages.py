"""The engine on a GPU in a few minutes: stage after stage, each in a process of its own and as long as it may take.

In: runs, a number of seconds. Out: facts, one by one. Touches: processes, the device.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.benchmarks.speed.facts import (
    Fact,
    Find,
    Given,
    compiled,
    convolutions,
    kernels,
    peaks,
    repeated,
    right,
    speeds,
)
from bench.launch.failure import first_line
from bench.machine import allocator
from bench.machine.pool import Context


@dataclass(frozen=True)
class Stage:
    """Facts of one kind, and the part of the time that they may take; what one stage leaves is the others'."""

    find: Find
    part: float


# in the order of what is worth knowing first
STAGES = {
    "right": Stage(right, 2.5),
    "speed": Stage(speeds, 2.0),
    "peak": Stage(peaks, 0.5),
    "kernels": Stage(kernels, 0.7),
    "repeated": Stage(repeated, 0.8),
    "compiled": Stage(compiled, 1.0),
    "convolution": Stage(convolutions, 0.5),
}


def facts(given: Given, seconds: float) -> Iterator[tuple[str, Fact]]:
    """The facts of all stages, each with the name of its stage, within this time."""
    end = time.monotonic() + seconds
    waiting = dict(STAGES)
    while waiting:
        name, left = next(iter(waiting)), end - time.monotonic()
        share = waiting[name].part / sum(stage.part for stage in waiting.values())
        for fact in in_process(name, given, left * share):
            yield name, fact
        del waiting[name]


def in_process(name: str, given: Given, seconds: float) -> Iterator[Fact]:
    """The facts of a stage, as far as it comes in these seconds; the last one says where it did not end."""
    end = time.monotonic() + seconds
    receiver, sender = Context().Pipe(duplex=False)
    process = Context().Process(target=_find, args=(name, given, sender), daemon=True)
    process.start()
    sender.close()
    try:
        while receiver.poll(max(0.0, end - time.monotonic())):
            yield receiver.recv()
        yield Fact("cut", seconds, "s", note="the stage did not end in its time")
    except EOFError:
        process.join()
        if process.exitcode:
            yield Fact("died", float(process.exitcode), "exit code", note="the process of the stage died")
    finally:
        process.kill()
        process.join()


def _find(name: str, given: Given, sender: "Connection[Any, Any]") -> None:
    allocator.configure(given.machine.threads, max(given.sizes))
    try:
        for fact in STAGES[name].find(given):
            sender.send(fact)
    except Exception as raised:
        sender.send(Fact("failed", None, "", note=f"{type(raised).__name__}: {first_line(str(raised))}"))
    sender.close()
