"""The preflight of a sweep: it builds every part once, so that a mistake is found before anything is trained.

In: runs, settings. Out: what is expected of each shape, how many processes train, which runs do not fit their model.
Touches: what autotune touches.
"""

import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from bench.launch.autotune import PER_GPU, WORTH_S, Memory, Trial, form_of, processes, trial_of
from bench.launch.failure import OUT_OF_MEMORY, failure_class, first_line
from bench.launch.worker import in_words
from bench.machine import environment
from bench.machine.gpus import gpu_count
from bench.machine.precision import BF16, make_exact, resolved
from bench.machine.settings import SKIP, Settings
from bench.plan.job import Expected, Workers
from bench.plan.shape import Shape, by_shape
from bench.schema import AUTO, Machine, Run, Unfit, UserError
from bench.train.contract import task_of

STEPPING = ("optimizer", "schedule", "order_seed")  # what decides the steps of a run of one shape
OVERHEAD_S = 0.02  # what a run costs besides its steps: its model, its row; 12 to 36 ms on the two processors seen


def preflight(
    runs: Sequence[Run], machine: Machine, settings: Settings
) -> tuple[dict[Shape, Expected], Workers, dict[str, str]]:
    """Build each combination of parts once, and time a step of each shape in the form that suits it best.

    The third result has the reason of each run whose initializer does not fit its model, by id, with unfit=skip.
    Raises UserError for what cannot be built: an argument that a law refuses, data that are missing or corrupt.
    """
    torch.set_num_threads(machine.threads)
    make_exact()
    trials, reasons = built(by_shape(runs), machine, Memory(settings.cache), settings.unfit == SKIP)
    alike = by_shape(run for run in runs if run.id not in reasons)
    if any(run.choices.get("precision") == BF16 for run in runs) and resolved(AUTO, machine.device) != BF16:
        print(
            f"precision=bf16: {machine.device} has no units for it here, fp32 may be many times faster", file=sys.stderr
        )
    expected = {shape: expectation(trial, settings, len(alike[shape])) for shape, trial in trials.items()}
    if not trials:
        return {}, Workers(1, settings.job_seconds), reasons
    seconds = {shape: len(alike[shape]) * each.seconds for shape, each in expected.items()}
    costliest = max(seconds, key=lambda shape: seconds[shape])
    return expected, workers(trials[costliest], expected[costliest], settings, sum(seconds.values())), reasons


def built(
    alike: Mapping[Shape, Iterable[Run]], machine: Machine, memory: Memory, skipping: bool
) -> tuple[dict[Shape, Trial], dict[str, str]]:
    """The trial of each shape, once every combination of parts has been built, and why a run does not fit, by id.

    Raises Unfit for the first such run unless they are skipped.
    """
    seen: set[object] = set()
    trials: dict[Shape, Trial] = {}
    unfit: dict[object, str] = {}
    reasons: dict[str, str] = {}
    for shape, run in ((shape, run) for shape, runs in alike.items() for run in runs):
        weights, stepping = ((shape, chosen(run, *words)) for words in (("initializer",), STEPPING))
        with explained(run):
            if stepping not in seen:
                task_of(run).check(run)
            if weights not in seen:  # apart from the check: some initializers train for a while themselves
                try:
                    trials.setdefault(shape, trial_of(run, machine, memory))
                except Unfit as refused:
                    if not skipping:
                        raise
                    unfit[weights] = refused.reason
        seen |= {weights, stepping}
        if weights in unfit:
            reasons[run.id] = unfit[weights]
    return trials, reasons


@contextmanager
def explained(run: Run, cannot: str = "be built") -> Iterator[None]:
    """Raise UserError for whatever a part raises when it is built or tried, except for missing memory."""
    try:
        yield
    except Exception as raised:
        if isinstance(raised, UserError) or failure_class(raised) == OUT_OF_MEMORY:
            raise
        frames = traceback.extract_tb(raised.__traceback__)
        place = next((one for one in reversed(frames) if "site-packages" not in one.filename), frames[-1])
        raise UserError(
            f"{in_words(run)} cannot {cannot}: {type(raised).__name__}: {first_line(str(raised))} "
            f"({place.filename}, line {place.lineno})"
        ) from raised


def chosen(run: Run, *words: str) -> tuple[tuple[str, str], ...]:
    """The options that the run has for these words, with their arguments."""
    return tuple((key, repr(value)) for key, value in run.choices.items() if key.partition(".")[0] in words)


def expectation(trial: Trial, settings: Settings, count: int) -> Expected:
    """The form in which `count` runs of this shape train, and the seconds of each run in it.

    Raises UserError for a model that fails as it trains, and for a form that these runs cannot have.
    """
    with explained(trial.run, "be trained"):
        worth = count * run_seconds(trial, trial.alone) > WORTH_S
    form = form_of(trial, settings.packing, settings.graph, count, worth)
    return Expected(run_seconds(trial, form.steps_per_second), form.packing, form.graphed)


def run_seconds(trial: Trial, steps_per_second: float) -> float:
    """Seconds that a run takes at this speed."""
    return OVERHEAD_S + trial.cost.steps / steps_per_second


def workers(trial: Trial, expected: Expected, settings: Settings, seconds: float) -> Workers:
    """How many processes train: as set, or one per core or GPU; on a GPU measured where the sweep takes long enough."""
    if settings.processes != AUTO:
        return Workers(int(settings.processes), settings.job_seconds)
    machine = trial.machine
    count = one_each(machine.device, machine.threads)
    if machine.device != "cuda":
        return Workers(fitting(count), settings.job_seconds)
    if seconds > WORTH_S:
        count = processes(trial, expected.packing, expected.graphed, PER_GPU * count)
    return Workers(count, settings.job_seconds)


def one_each(device: str, threads: int) -> int:
    """The number of processes without a measurement: one per GPU, or per as many cores as a process has threads."""
    if device != "cuda":
        return max(1, environment.usable_cores() // threads)
    return max(1, gpu_count())  # some GPUs have no device file


def fitting(processes: int) -> int:
    """At most this number of processes, as fit in free memory: each takes as much as this one, which has the data."""
    each, free = environment.peak_memory_bytes(), environment.free_memory_bytes()
    if free is None or processes * each <= free:
        return processes
    fewer = max(1, free // each)
    print(
        f"processes=auto: {fewer} instead of {processes}, since a process takes about {each / 1e9:.1f} GB of memory "
        f"and {free / 1e9:.1f} GB are free",
        file=sys.stderr,
    )
    return fewer
