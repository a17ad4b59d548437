"""What is to be known of the engine on a GPU: first whether it is right, then how fast it is, and why.

In: runs of works, a machine. Out: facts, as they are found. Touches: the device.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from bench.benchmarks.speed.work import changed
from bench.launch.autotune import Memory, Trial, timed
from bench.launch.failure import first_line
from bench.machine import allocator, gpus, peak
from bench.machine.precision import BF16, FP32
from bench.schema import Machine, Row, Run
from bench.train.contract import task_of

Value = float | None
TOLERANCE = {FP32: 1e-4, BF16: 1e-2}  # of a first loss, relative; after 20 steps rounding has grown
STEPS = 20
KERNELS = 15  # that take the most time
WIDEST = 64  # channels of a block-diagonal group


@dataclass(frozen=True)
class Fact:
    """A number with its unit; `about` is what it depends on, `note` what else is to be said.

    `most` is what the number may be at most where the engine is right.
    """

    name: str
    value: Value
    unit: str
    about: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    most: Value = None


@dataclass(frozen=True)
class Given:
    """The runs to measure, by the name of their work, the last one the most; the sizes of packs."""

    runs: Mapping[str, Run]
    machine: Machine
    sizes: Sequence[int]

    @property
    def main(self) -> Run:
        """The run whose speed matters the most."""
        return [*self.runs.values()][-1]

    @property
    def graphs(self) -> tuple[bool, ...]:
        """Whether steps are captured: both, where that can be."""
        return (False, True) if self.machine.device == "cuda" else (False,)


def peaks(given: Given) -> Iterator[Fact]:
    """What the device can do at most."""
    device, threads = given.machine.device, given.machine.threads
    yield Fact("copy", peak.copy(device, threads), "bytes/s")
    for precision in (BF16, FP32):
        yield Fact("matrix product", peak.matmul(precision, device, threads), "FLOP/s", {"precision": precision})


def right(given: Given) -> Iterator[Fact]:
    """How far the losses of packs and of captured steps are from those of runs alone, as they are launched."""
    for (work, run), precision in ((one, precision) for one in given.runs.items() for precision in (FP32, BF16)):
        runs = [changed(run, precision=precision, seed=seed, steps=STEPS) for seed in range(4)]
        alone = [row for one in runs for row in performed([one], given.machine)]
        for graphed in given.graphs:
            about = {"work": work, "precision": precision, "graphed": graphed}
            for name, packs in (("alone", [runs[:1]]), ("pack", [runs])):
                if name == "alone" and not graphed:
                    continue
                rows = [row for one in packs for row in performed(one, replace(given.machine, graphed=graphed))]
                most = TOLERANCE[precision]
                yield Fact(f"{name}: first loss", far(rows, alone, "initial_loss"), "", about, most=most)
                yield Fact(f"{name}: loss of {STEPS} steps", far(rows, alone, "train_loss"), "", about, most=10 * most)
                captured = float(all(row.environment["graphed"] for row in rows))
                yield Fact(f"{name}: captured", captured, "", about)


def speeds(given: Given) -> Iterator[Fact]:
    """Images per second of whole steps, and the memory that they take, by the size of packs and their form."""
    for precision in (BF16, FP32):
        for graphed in reversed(given.graphs):
            for size in given.sizes:
                yield from speed(changed(given.main, precision=precision), given.machine, size, graphed)


def speed(run: Run, machine: Machine, size: int, graphed: bool) -> Iterator[Fact]:
    """Of one form; the reason where it cannot be had."""
    about = {"precision": run.choices["precision"], "graphed": graphed, "runs": size, "compiled": machine.compiled}
    allocator.release_memory()
    if machine.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        steps = trial_of(run, machine).speed(size, graphed)
    except (RuntimeError, MemoryError) as raised:
        yield Fact("training", None, "images/s", about, first_line(str(raised)))
        return
    yield Fact("training", steps * run.choices["batch_size"], "images/s", about)
    if machine.device == "cuda":
        yield Fact("memory", float(torch.cuda.max_memory_allocated()), "bytes", about)


def kernels(given: Given) -> Iterator[Fact]:
    """Where the time of a step of a pack goes: the share of each kernel, and of none."""
    device, size = given.machine.device, given.sizes[len(given.sizes) // 2]
    trial = trial_of(given.main, given.machine)
    step = trial.settled(size, given.graphs[-1])
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        seconds = timed(step, 10, trial.wait)
    took = {one.key: time_of(one, device) for one in profiled.key_averages()}
    about = {"runs": size, "graphed": given.graphs[-1]}
    yield Fact("no kernel", 1 - sum(took.values()) / seconds, "of the time", about)
    for place, name in enumerate(sorted(took, key=lambda name: -took[name])[:KERNELS]):
        yield Fact(f"kernel {place + 1}", took[name] / seconds, "of the time", about, name)


def convolutions(given: Given) -> Iterator[Fact]:
    """Seconds per image of a 3x3 convolution, forward and backward: of packs as they are, dense, block-diagonal."""
    device, batch = given.machine.device, given.main.choices["batch_size"]
    for channels, side in ((16, 32), (32, 16), (64, 8)):
        for runs in given.sizes:
            forms = {"dense": (runs * batch, channels, 1), "grouped": (batch, runs * channels, runs)}
            if 1 < runs * channels <= WIDEST * runs and channels < WIDEST:
                together = min(runs, WIDEST // channels)
                forms["block-diagonal"] = (batch, runs * channels, runs // together)
            for name, (images, wide, groups) in forms.items():
                seconds = convolution(images, wide, groups, side, device)
                about = {"channels": channels, "side": side, "runs": runs}
                yield Fact(f"convolution, {name}", seconds / (runs * batch), "s per image", about)


def convolution(images: int, channels: int, groups: int, side: int, device: str) -> float:
    """Seconds of a convolution and its gradients in bf16, channels last."""
    shapes = (images, channels, side, side), (channels, channels // groups, 3, 3)
    given, weight = (
        torch.randn(shape, device=device, dtype=torch.bfloat16)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
        for shape in shapes
    )

    def step() -> None:
        found = F.conv2d(given, weight, padding=1, groups=groups)
        torch.autograd.grad(found, (given, weight), found.detach())

    wait = partial(gpus.wait, device)
    took = timed(step, 3, wait) and timed(step, 1, wait)
    count = max(1, min(100, round(0.05 / took)))
    return timed(step, count, wait) / count


def compiled(given: Given) -> Iterator[Fact]:
    """Images per second of compiled steps."""
    machine = replace(given.machine, compiled=True)
    for size in (1, given.sizes[len(given.sizes) // 2]):
        yield from speed(changed(given.main, precision=BF16), machine, size, given.graphs[-1])


def repeated(given: Given) -> Iterator[Fact]:
    """How many runs in packs are the same to the last bit when they are trained again."""
    size = given.sizes[len(given.sizes) // 2]
    runs = [changed(given.main, seed=seed, steps=STEPS) for seed in range(2 * size)]
    machine = replace(given.machine, graphed=given.graphs[-1])
    first, again = ([row for pack in (runs[:size], runs[size:]) for row in performed(pack, machine)] for _ in range(2))
    same = sum(one.curve == other.curve for one, other in zip(first, again, strict=True))
    yield Fact("not the same again", float(len(runs) - same), f"of {len(runs)} runs", {"runs": size}, most=0.0)


def performed(runs: Sequence[Run], machine: Machine) -> list[Row]:
    """The rows of runs that are trained side by side."""
    return task_of(runs[0]).perform(runs, machine)


def far(ours: Sequence[Row], theirs: Sequence[Row], measure: str) -> float:
    """The largest relative difference of a measure between rows of the same runs."""
    known = {row.id: float(row.measures[measure] or 0) for row in theirs}
    return max(abs(float(row.measures[measure] or 0) / known[row.id] - 1) for row in ours)


def trial_of(run: Run, machine: Machine) -> Trial:
    """A trial of the run that keeps nothing."""
    task = task_of(run)
    return Trial(run, machine, task.cost(run, machine, task.prepare(run, machine)), Memory(None))


def time_of(event: Any, device: str) -> float:
    """Seconds of a kernel by itself."""
    return float(event.self_device_time_total if device == "cuda" else event.self_cpu_time_total) / 1e6


Find = Callable[[Given], Iterator[Fact]]
