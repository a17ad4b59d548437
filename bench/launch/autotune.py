"""How many runs to stack and how many processes to use: measured for a few seconds, then kept in a file.

In: a run and the machine. Out: numbers, and the speeds that decide them. Touches: the device, processes, a file in a
cache folder.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import torch

from bench.launch.failure import OUT_OF_MEMORY, failure_class, first_line
from bench.machine import allocator
from bench.machine.files import read_whole, write_whole
from bench.machine.pool import Context, pool
from bench.schema import AUTO, Machine, Run, UserError
from bench.train.contract import Cost, task_of
from bench.train.segment import device_name

PACKINGS = (1, 2, 4, 8, 16, 32, 64)  # on a GPU; on a CPU no pack pays, and a busy machine makes one look as if it did
PER_GPU = 4  # processes on one GPU, at most
ENOUGH = 1.05  # a larger number has to be this many times as fast: it holds more memory, and all its runs end as one
SECONDS, LONG_SECONDS = 0.2, 1.0  # of measuring, in one process and in several; at least one step
WORTH_S = 300.0  # of training; a shorter sweep is not worth a long measurement
PATIENCE_S = 120.0  # for processes to start

Number = TypeVar("Number")
Speeds = Mapping[int, float]  # steps per second over all runs, by the number of runs or processes side by side


@dataclass(frozen=True)
class Form:
    """How runs of one shape train: `packing` of them side by side, with captured steps or without."""

    packing: int
    graphed: bool
    steps_per_second: float  # over all runs


class Memory:
    """Speeds that were measured before, by what they depend on. Without a writable file, each sweep measures again."""

    def __init__(self, folder: Path | None) -> None:
        default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "initbench"
        self.path = (folder or default) / "speeds.json"

    def everything(self) -> dict[str, dict[int, float]]:
        """All speeds by key, which names what they depend on."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            read = json.loads(read_whole(self.path))
            return {
                key: {int(count): float(speed) for count, speed in by_count.items()} for key, by_count in read.items()
            }
        return {}

    def speeds(self, key: str, measure: Callable[[], Speeds]) -> Speeds:
        """The speeds of this key; measured where the file has none."""
        known = self.everything()
        if not known.get(key):
            known[key] = dict(measure())
            with contextlib.suppress(UserError):
                write_whole(self.path, json.dumps(known, indent=1, sort_keys=True))
        return known[key]


@dataclass(frozen=True, eq=False)
class Trial:
    """A run that stands for all runs of its shape when their speed is measured."""

    run: Run
    machine: Machine
    cost: Cost
    memory: Memory

    @cached_property
    def alone(self) -> float:
        """Steps per second of runs one after the other; 1.0 where not even one fits in memory: its row will say so."""
        try:
            return self.speed(1, graphed=False)
        except (RuntimeError, MemoryError) as raised:
            if failure_class(raised) == OUT_OF_MEMORY:
                return 1.0
            raise

    @property
    def key(self) -> str:
        """What the speed depends on: device, model and batch."""
        device = device_name(self.machine)
        return f"{device}, torch {torch.__version__}, threads={self.machine.threads} {self.cost.key}"

    def packings(self, packing: int | str, graphed: bool, most: int, worth: bool) -> Speeds:
        """The speed of packs by their size, at most `most`: of the size `packing`, or of several sizes for auto."""
        if packing != AUTO or not worth or not self.cost.stacks or self.machine.device == "cpu":
            size = 1 if packing == AUTO or not self.cost.stacks else min(int(packing), most)
            return {size: self.demanded(size, graphed)}
        key = f"{self.key} graph={graphed}: runs side by side"
        speeds = self.memory.speeds(key, lambda: climb(partial(self.speed, graphed=graphed), PACKINGS))
        return {size: speed for size, speed in speeds.items() if size <= most}

    def demanded(self, size: int, graphed: bool) -> float:
        """As `speed`. A pack too large for memory is split later; UserError for a model that cannot be stacked."""
        if size == 1 and not graphed:
            return self.alone
        try:
            return self.speed(size, graphed)
        except (RuntimeError, MemoryError) as raised:
            if failure_class(raised) == OUT_OF_MEMORY:
                return self.alone
            chosen = f"{self.run.choices['model']} in {self.run.choices['precision']} on {self.machine.device}"
            cause = first_line(str(raised))
            raise UserError(
                f"packing={size}: {chosen} cannot be stacked ({cause}); write packing=1, or auto"
            ) from raised

    def speed(self, size: int, graphed: bool, seconds: float = SECONDS) -> float:
        """Steps per second over all of `size` runs side by side, measured for `seconds`."""
        step = self.cost.step(size, graphed)
        step()
        done, started = 0, time.perf_counter()
        while not done or time.perf_counter() - started < seconds:
            step()
            done += 1
        return size * done / (time.perf_counter() - started)


def trial_of(run: Run, machine: Machine, memory: Memory) -> Trial:
    """Build the parts of a run and return its trial. Raises UserError for a mistake in the run."""
    task = task_of(run)
    return Trial(run, machine, task.cost(run, machine, task.prepare(run, machine)), memory)


def climb(measure: Callable[[int], float], numbers: Iterable[int]) -> dict[int, float]:
    """The speeds of rising numbers, up to the first that fails or is slower than an earlier one.

    Raises what the first number raises.
    """
    speeds: dict[int, float] = {}
    for number in numbers:
        try:
            speeds[number] = measure(number)
        except (RuntimeError, MemoryError):
            if not speeds:
                raise
            break
        if speeds[number] < max(speeds.values()):
            break
    return speeds


def form_of(trial: Trial, packing: int | str, graph: bool | str, most: int, worth: bool) -> Form:
    """The form in which up to `most` runs train fastest; `worth`: they train long enough to measure several.

    Raises UserError where `packing` or `graph` names a form that this model or device cannot have.
    """
    speeds = {
        (size, graphed): speed
        for graphed in graphs(graph, trial.machine.device, worth)
        for size, speed in sorted(trial.packings(packing, graphed, most, worth).items())
    }
    size, graphed = fastest(speeds)
    return Form(size, graphed, speeds[size, graphed])


def fastest(speeds: Mapping[Number, float]) -> Number:
    """The first number that no later one is clearly faster than."""
    chosen, *others = speeds
    for other in others:
        if speeds[other] > ENOUGH * speeds[chosen]:
            chosen = other
    return chosen


def graphs(graph: bool | str, device: str, worth: bool) -> list[bool]:
    """Whether steps are captured: as `graph` says, or both ways for auto, to compare.

    Raises UserError for graph=true without a GPU.
    """
    if graph is True and device != "cuda":
        raise UserError(f"graph=true captures steps on a GPU, and device={device} is none; write graph=auto")
    return [False, True] if graph == AUTO and device == "cuda" and worth else [graph is True]


def processes(trial: Trial, packing: int, graphed: bool, most: int) -> int:
    """The number of processes at once that is fastest, at most `most`."""
    numbers = [2**power for power in range(most.bit_length()) if 2**power < most] + [most]
    key = f"{trial.key} packing={packing} graph={graphed}: processes at once"
    speeds = trial.memory.speeds(key, lambda: climb(partial(together, trial, packing, graphed), numbers))
    return fastest({number: speed for number, speed in sorted(speeds.items()) if number <= most})


def together(trial: Trial, packing: int, graphed: bool, number: int) -> float:
    """Steps per second over `number` processes, each of which trains packs of this size."""
    barrier = Context().Barrier(number)
    with pool(number, _begin, barrier) as processes:
        work = [processes.submit(_steps, trial.run, trial.machine, packing, graphed, place) for place in range(number)]
        return sum(speed.result() for speed in work)


_barrier: list[Barrier] = []  # of the process that is measured


def _begin(barrier: Barrier) -> None:
    _barrier.append(barrier)


def _steps(run: Run, machine: Machine, packing: int, graphed: bool, place: int) -> float:
    """Steps per second of one of several processes that begin together."""
    allocator.configure(machine.threads, packing)
    if machine.device == "cuda":
        torch.cuda.set_device(place % torch.cuda.device_count())
    trial = trial_of(run, machine, Memory(None))
    trial.cost.step(packing, graphed)()
    _barrier[0].wait(PATIENCE_S)
    return trial.speed(packing, graphed, LONG_SECONDS)
