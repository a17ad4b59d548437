"""The arms of the benchmark: ways to train the same runs, each in processes of its own that stay and begin together.

In: a work, settings. Out: seconds. Touches: the device, processes.
"""

import math
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from itertools import islice
from threading import Barrier, BrokenBarrierError
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from bench.benchmarks.speed import plain
from bench.benchmarks.speed.work import CLASSES, Work, changed, model_of
from bench.launch.preflight import preflight
from bench.machine import allocator, environment
from bench.machine.precision import FP32
from bench.machine.settings import Settings
from bench.plan.shape import packs, shape
from bench.schema import Machine, Run, UserError
from bench.train.contract import task_of

PLAIN, ALONE, TOGETHER, TOGETHER_FP32 = "plain", "alone", "together", "together fp32"
PATIENCE_S = 120.0  # for processes to be there
MANY = 1000  # runs, and steps of each: a sweep so long that all is tuned by measuring


@dataclass(frozen=True)
class Arm:
    """How runs are trained: in so many processes of so many threads, in packs of so many, in which numbers."""

    name: str
    processes: int
    threads: int
    packing: int
    precision: str
    graphed: bool = False

    @property
    def at_once(self) -> int:
        """Runs that are under way at the same time."""
        return self.processes * self.packing

    def about(self) -> dict[str, Any]:
        """What a row says of it."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


def arms_of(run: Run, machine: Machine, settings: Settings) -> list[Arm]:
    """The rival, our engine in one process, and our engine as a sweep would have it.

    Where that computes in bfloat16, the same in float32 too. Raises what the preflight of a sweep raises.
    """
    cores, precision = environment.usable_cores(), run.choices["precision"]
    together = as_swept(TOGETHER, run, machine, settings)
    arms = [
        Arm(PLAIN, 1, cores, 1, FP32),
        Arm(ALONE, 1, cores, 1, precision, together.graphed),
        together,
    ]
    wide = changed(run, precision=FP32)
    return arms if precision == FP32 else [*arms, as_swept(TOGETHER_FP32, wide, machine, settings)]


def as_swept(name: str, run: Run, machine: Machine, settings: Settings) -> Arm:
    """The processes and packs that a long sweep of such runs decides for."""
    # a step takes what it takes, however many images there are: one batch of them is made in a moment
    small = changed(run, **{"dataset.train": run.choices["batch_size"], "steps": MANY})
    expected, workers = preflight([changed(small, seed=seed) for seed in range(MANY)], machine, settings)
    form = expected[shape(small)]
    return Arm(name, workers.processes, machine.threads, form.packing, run.choices["precision"], form.graphed)


def runs_for(arms: Sequence[Arm]) -> int:
    """How many runs every arm trains, so that each of its processes has whole packs, and as many as the others."""
    return math.lcm(*(arm.at_once for arm in arms))


class Processes:
    """The processes of one arm, which stay from block to block: their start, imports and data are timed by nobody."""

    def __init__(self, arm: Arm, work: Work, run: Run, machine: Machine) -> None:
        self.arm, self.work = arm, work
        self.run = changed(run, precision=arm.precision)
        self.machine = replace(machine, threads=arm.threads, graphed=arm.graphed, checkpointing=None)
        context = multiprocessing.get_context("spawn")
        self.barrier = context.Barrier(arm.processes + 1)
        self.pool = ProcessPoolExecutor(arm.processes, context, initializer=_begin, initargs=(self.barrier,))

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.barrier.abort()  # of those that wait when something was raised here
        self.pool.shutdown(cancel_futures=True)

    def seconds(self, runs: int, steps: int) -> float:
        """The wall clock from a common start until the last of so many runs is trained for so many steps.

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
        asked = runs * steps * self.run.choices["batch_size"]
        if trained != asked:
            raise UserError(
                f"{self.work.name}: the arm {self.arm.name} trained on {trained} images of {asked}, as a run diverged; "
                "another batch_size may help"
            )
        return seconds


_barrier: list[Barrier] = []  # of this process and the others of its arm
_batches: dict[str, Iterator[tuple[Tensor, Tensor]]] = {}  # of the rival: where its epoch is, by the work


def _begin(barrier: Barrier) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
    # a spawned process would spawn a loader's workers too, which takes them seconds; in a user's script they fork
    multiprocessing.set_start_method(None, force=True)  # None: the usual one
    _barrier.append(barrier)


def _by_engine(runs: Sequence[Run], work: Work, machine: Machine, packing: int, place: int) -> int:
    """Train these runs as a sweep's process does, but for their rows, which are dropped; the images it took."""
    allocator.configure(machine.threads, packing)
    if machine.device == "cuda":
        torch.cuda.set_device(place % torch.cuda.device_count())
    task = task_of(runs[0])
    _barrier[0].wait(PATIENCE_S)
    rows = [row for pack in packs(runs, packing) for row in task.perform(pack, machine)]
    return sum(int(row.measures["steps"] or 0) * row.choices["batch_size"] for row in rows)


def _plainly(runs: Sequence[Run], work: Work, machine: Machine, packing: int, place: int) -> int:
    """Train these runs one after the other, as the rival does; the images it took.

    The runs of a benchmark are shorter than an epoch of many data. The rival's loader goes through whole epochs all the
    same, from run to run, so that its workers start no more often than they would in runs of a usual length.
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
