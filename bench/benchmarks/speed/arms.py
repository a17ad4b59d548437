"""The arms of the benchmark: ways to train the same runs, each in its own processes, which start a block together.

In: a work, settings. Out: seconds. Touches: the device, processes.
"""

import math
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from itertools import islice
from threading import Barrier, BrokenBarrierError
from typing import Any

import torch
from torch import Tensor

from bench.benchmarks.speed import plain
from bench.benchmarks.speed.work import CLASSES, Work, changed, model_of
from bench.launch.preflight import preflight
from bench.machine import allocator, environment
from bench.machine.pool import Context, executor
from bench.machine.precision import FP32
from bench.machine.settings import Settings
from bench.plan.shape import packs, shape
from bench.schema import Machine, Run, UserError
from bench.train.contract import task_of

PLAIN, ALONE, TOGETHER, TOGETHER_FP32 = "plain", "alone", "together", "together fp32"
PATIENCE_S = 120.0  # until all processes have started
MANY = 1000  # runs, and steps of each: a sweep so long that all is tuned by measuring


@dataclass(frozen=True)
class Arm:
    """How runs are trained: the number of processes, threads of each and runs in a pack, and the precision."""

    name: str
    processes: int
    threads: int
    packing: int
    precision: str
    graphed: bool = False

    @property
    def at_once(self) -> int:
        """Runs that train at the same time."""
        return self.processes * self.packing

    def about(self) -> dict[str, Any]:
        """The arm as a row records it."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


def arms_of(run: Run, machine: Machine, settings: Settings) -> list[Arm]:
    """The baseline, our engine in one process, and our engine as a sweep uses it.

    Where that computes in bfloat16, also the same in float32. Raises what the preflight of a sweep raises.
    """
    cores, precision = environment.usable_cores(), run.choices["precision"]
    together = as_swept(TOGETHER, run, machine, settings)
    arms = [Arm(PLAIN, 1, cores, 1, FP32), Arm(ALONE, 1, cores, 1, precision, together.graphed), together]
    wide = changed(run, precision=FP32)
    return arms if precision == FP32 else [*arms, as_swept(TOGETHER_FP32, wide, machine, settings)]


def as_swept(name: str, run: Run, machine: Machine, settings: Settings) -> Arm:
    """The processes and packs that a long sweep of such runs chooses."""
    # the time of a step does not depend on the number of images in an epoch: one batch is made fastest
    small = changed(run, **{"dataset.train": run.choices["batch_size"], "steps": MANY})
    expected, workers, _ = preflight([changed(small, seed=seed) for seed in range(MANY)], machine, settings)
    form = expected[shape(small)]
    return Arm(name, workers.processes, machine.threads, form.packing, run.choices["precision"], form.graphed)


def runs_for(arms: Sequence[Arm]) -> int:
    """The number of runs that every arm trains: each of its processes gets whole packs, and as many as the others."""
    return math.lcm(*(arm.at_once for arm in arms))


class Pool:
    """The processes of one arm, kept from block to block, so that their start, imports and data are not timed."""

    def __init__(self, arm: Arm, work: Work, run: Run, machine: Machine) -> None:
        self.arm, self.work = arm, work
        self.run = changed(run, precision=arm.precision)
        self.machine = replace(machine, threads=arm.threads, graphed=arm.graphed, checkpointing=None)
        self.barrier = Context().Barrier(arm.processes + 1)
        self.pool = executor(arm.processes, _begin, self.barrier)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *raised: object) -> None:
        self.barrier.abort()  # frees processes that wait after an error here
        self.pool.shutdown(cancel_futures=True)

    def seconds(self, runs: int, steps: int) -> float:
        """Seconds of the wall clock from the common start until the last of `runs` runs is trained for `steps` steps.

        Raises UserError when an arm has trained on less, or a process died.
        """
        each = [changed(self.run, seed=seed, steps=steps) for seed in range(runs)]
        shares = [each[place :: self.arm.processes] for place in range(self.arm.processes)]
        train = _plainly if self.arm.name == PLAIN else _by_engine
        try:
            work = [
                self.pool.submit(train, share, self.work, self.machine, self.arm.packing, place)
                for place, share in enumerate(shares)
            ]
            self.barrier.wait(PATIENCE_S)
            started = time.perf_counter()
            trained = sum(one.result() for one in work)
            seconds = time.perf_counter() - started
        except (BrokenProcessPool, BrokenBarrierError) as died:
            raise UserError(
                f"{self.work.name}: a process of the arm {self.arm.name} died or did not start, perhaps for want of "
                "memory; take a smaller work or fewer processes"
            ) from died
        images = runs * steps * self.run.choices["batch_size"]
        if trained != images:
            raise UserError(
                f"{self.work.name}: the arm {self.arm.name} trained on {trained} images of {images}, as a run "
                "diverged; another batch_size may help"
            )
        return seconds


_barrier: list[Barrier] = []  # of this process and the others of its arm
_batches: dict[str, Iterator[tuple[Tensor, Tensor]]] = {}  # of the baseline, by work: the rest of its epoch


def _begin(barrier: Barrier) -> None:
    # a spawned process would spawn a loader's workers too, which takes them seconds; in a user's script they fork
    multiprocessing.set_start_method(None, force=True)  # None: the usual one
    _barrier.append(barrier)


def _by_engine(runs: Sequence[Run], work: Work, machine: Machine, packing: int, place: int) -> int:
    """Train these runs as a process of a sweep does, without keeping their rows; the number of images trained on."""
    allocator.configure(machine.threads, packing)
    if machine.device == "cuda":
        torch.cuda.set_device(place % torch.cuda.device_count())
    task = task_of(runs[0])
    _barrier[0].wait(PATIENCE_S)
    rows = [row for pack in packs(runs, packing) for row in task.perform(pack, machine)]
    return sum(int(row.measures["steps"] or 0) * row.choices["batch_size"] for row in rows)


def _plainly(runs: Sequence[Run], work: Work, machine: Machine, packing: int, place: int) -> int:
    """Train these runs one after the other, as the baseline does; the number of images trained on.

    The runs of a benchmark may be shorter than an epoch. The loader of the baseline continues its epoch in the next
    run, so that its workers start no more often than in runs of a usual length.
    """
    torch.set_num_threads(machine.threads)
    if work.name not in _batches:
        _batches[work.name] = plain.endless(plain.synthetic_loader(runs[0], work.shape, CLASSES, machine.device))
    _barrier[0].wait(PATIENCE_S)
    seen = 0
    for run in runs:
        training = plain.Training(model_of(run, work.shape, CLASSES), run, run.choices["steps"], machine.device)
        seen += training.learn(islice(_batches[work.name], run.choices["steps"]))[1]
    return seen
