"""How many runs to stack and how many processes to use: on a GPU measured for a few seconds, then kept in a file.

In: a run and the machine. Out: numbers, and the speeds that decide them. Touches: the device, processes, a file in a
cache folder.

Another program can only slow a step down. So the best of several times counts, each number is measured on the way up
and once more on the way down, and what a busy machine has measured is used once and not kept. On a CPU nothing is
measured to decide: no pack is faster there than runs one after the other, and each core gets a process.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import torch

from bench.launch.failure import OUT_OF_MEMORY, failure_class, first_line
from bench.machine import allocator, environment, gpus
from bench.machine.files import read_whole, write_whole
from bench.machine.pool import Context, pool
from bench.schema import AUTO, Machine, Run, UserError
from bench.train.capture import WARM_UP
from bench.train.contract import Cost, task_of
from bench.train.segment import device_name

PACKINGS = (1, 2, 4, 8, 16, 32, 64)
PER_GPU = 4  # processes on one GPU, at most
ENOUGH = 1.05  # a larger number has to be this many times as fast: it holds more memory, and all its runs end as one
STEADY = 1.1  # times as fast as the worse of two measurements is the better on a quiet machine, at most
SECONDS, LONG_SECONDS = 0.2, 1.0  # of measuring, in one process and in several; at least one step
WINDOWS = 4  # of these seconds, the best of which counts
SETTLED = WARM_UP + 1  # steps until the one that is captured has been replayed
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


@dataclass(frozen=True)
class Measured:
    """Speeds, and whether the machine was quiet while they were measured."""

    speeds: Speeds
    quiet: bool


class Memory:
    """Speeds that a quiet machine has measured, by what they depend on; without a writable file, none are kept."""

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

    def speeds(self, key: str, measure: Callable[[], Measured]) -> Speeds:
        """The speeds of this key; measured where the file has none. Prints a remark where they are not kept."""
        known = self.everything()
        if known.get(key):
            return known[key]
        found = measure()
        if not found.quiet:
            print(f"this machine is busy: its speeds are for this sweep alone, and not kept ({key})", file=sys.stderr)
            return found.speeds
        with contextlib.suppress(UserError):
            write_whole(self.path, json.dumps(known | {key: dict(found.speeds)}, indent=1, sort_keys=True))
        return found.speeds


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

    def obstacle(self) -> str:
        """Why these runs have to train one by one; "" where they can be stacked."""
        try:
            self.cost.try_stacking()
        except Exception as raised:  # of vmap, or of a part of the user's
            return "" if failure_class(raised) == OUT_OF_MEMORY else first_line(str(raised))
        return ""

    def packings(self, packing: int | str, graphed: bool, most: int) -> Speeds:
        """The speed of packs by their size, at most `most`: of the size `packing`, or of several sizes for auto."""
        if packing != AUTO:
            size = min(int(packing), most)
            return {size: self.demanded(size, graphed)}
        key = f"{self.key} graph={graphed}: runs side by side, up and down"
        speeds = self.memory.speeds(key, lambda: up_and_down(partial(self.speed, graphed=graphed), PACKINGS))
        return {size: speed for size, speed in speeds.items() if size <= most}

    def demanded(self, size: int, graphed: bool) -> float:
        """As `speed`. A pack too large for memory is split later; UserError for a form that this model cannot have."""
        if size == 1 and not graphed:
            return self.alone
        try:
            return self.speed(size, graphed)
        except (RuntimeError, MemoryError) as raised:
            if failure_class(raised) == OUT_OF_MEMORY:
                return self.alone
            form = f"packing={size} graph={str(graphed).lower()}"
            raise UserError(f"{form}: {self} cannot train so ({first_line(str(raised))}); write auto") from raised

    def __str__(self) -> str:
        choices = self.run.choices
        return f"{choices['model']} in {choices['precision']} on {self.machine.device}"

    def speed(self, size: int, graphed: bool, seconds: float = SECONDS, windows: int = WINDOWS) -> float:
        """Steps per second over all of `size` runs side by side: in the best of `windows` parts of `seconds`.

        Raises Lost where an error has ended the use of the GPU: no other form would run.
        """
        try:
            return self.rate(self.settled(size, graphed), size, seconds, windows)
        except Exception:
            gpus.raise_if_lost()
            raise

    def settled(self, size: int, graphed: bool) -> Callable[[], None]:
        """A step of `size` runs, once imports, the choice of kernels and a capture are over."""
        step = self.cost.step(size, graphed)
        timed(step, SETTLED if graphed else 1, self.wait)
        return step

    def rate(self, step: Callable[[], None], size: int, seconds: float, windows: int) -> float:
        """Steps per second over all of `size` runs, of a settled step; the device is waited for once a window."""
        began = time.perf_counter()
        took = timed(step, 1, self.wait)
        best = size / took if took >= seconds else 0.0
        count = max(1, round(seconds / windows / took))
        while not best or time.perf_counter() - began < seconds:
            best = max(best, size * count / timed(step, count, self.wait))
        return best

    def wait(self) -> None:
        """Wait for the device."""
        gpus.wait(self.machine.device)


def timed(step: Callable[[], None], count: int, wait: Callable[[], None]) -> float:
    """Seconds that so many steps take, until the device has done the last."""
    started = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return time.perf_counter() - started


def trial_of(run: Run, machine: Machine, memory: Memory) -> Trial:
    """Build the parts of a run and return its trial. Raises UserError for a mistake in the run."""
    task = task_of(run)
    return Trial(run, machine, task.cost(run, machine, task.prepare(run, machine)), memory)


def climb(measure: Callable[[int], float], numbers: Iterable[int]) -> dict[int, float]:
    """The speeds of rising numbers, up to the first that fails or is slower than an earlier one.

    Raises what the first number raises; prints a remark where another fails for anything but memory.
    """
    speeds: dict[int, float] = {}
    for number in numbers:
        try:
            speeds[number] = measure(number)
        except (RuntimeError, MemoryError) as raised:
            if not speeds:
                raise
            if failure_class(raised) != OUT_OF_MEMORY:
                print(f"{number} side by side fail, {max(speeds)} do not: {first_line(str(raised))}", file=sys.stderr)
            break
        if speeds[number] < max(speeds.values()):
            break
    return speeds


def up_and_down(measure: Callable[[int], float], numbers: Iterable[int]) -> Measured:
    """The better of two speeds of rising numbers: on the way up, as far as `climb` goes, and on the way down.

    The machine was quiet where a core was free before and both ways agree. Raises what the first number raises.
    """
    free = environment.has_free_core()
    up = climb(measure, numbers)
    try:
        down = {number: measure(number) for number in reversed(up)}
    except (RuntimeError, MemoryError):  # what fitted before does not fit now
        return Measured(up, quiet=False)
    best = {number: max(speed, down[number]) for number, speed in up.items()}
    agree = all(best[number] <= STEADY * min(speed, down[number]) for number, speed in up.items())
    return Measured(best, free and agree)


def form_of(trial: Trial, packing: int | str, graph: bool | str, most: int, worth: bool) -> Form:
    """The form in which up to `most` runs train fastest; `worth`: they train long enough to measure several.

    Runs that cannot be stacked train one by one, with a remark. Raises UserError where `packing` or `graph` names a
    form that this model or device cannot have.
    """
    device = trial.machine.device
    if most == 1 or not trial.cost.stacks or (packing == AUTO and not (worth and device == "cuda")):
        packing = 1
    if packing != 1 and (obstacle := trial.obstacle()):
        print(f"packing={packing}: runs of {trial} train one by one: {obstacle}", file=sys.stderr)
        packing = 1
    speeds = {
        (size, graphed): speed
        for graphed in graphs(graph, device, worth)
        for size, speed in sorted(trial.packings(packing, graphed, most).items())
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
    """The number of processes at once that is fastest on the GPUs here, at most `most`."""
    numbers = [2**power for power in range(most.bit_length()) if 2**power < most] + [most]
    key = f"{trial.key} packing={packing} graph={graphed}: processes at once, up and down"
    speeds = trial.memory.speeds(key, lambda: up_and_down(partial(together, trial, packing, graphed), numbers))
    return fastest({number: speed for number, speed in sorted(speeds.items()) if number <= most})


def together(trial: Trial, packing: int, graphed: bool, number: int) -> float:
    """Steps per second over `number` processes, each of which trains packs of this size."""
    allocator.release_memory()  # that of this process counts as well
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
    step = trial.settled(packing, graphed)
    _barrier[0].wait(PATIENCE_S)
    return trial.rate(step, packing, LONG_SECONDS, windows=1)  # each at its best would add up to more than all do
