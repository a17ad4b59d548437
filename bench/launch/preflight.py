"""A rehearsal before a sweep: every part is built once, so that a mistake is found before anything is trained.

In: runs, settings. Out: what is expected of each shape, and how many processes are to train. Touches: what the tuning
touches; trains nothing.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bench import registry
from bench.launch.autotune import PER_GPU, WORTH_S, Memory, Trial, form_of, processes
from bench.machine import environment
from bench.machine.gpus import gpu_count
from bench.machine.precision import BF16, resolved
from bench.parts.dataset.tensors import Dataset
from bench.plan.job import Crew, Expected
from bench.plan.shape import Shape, by_shape
from bench.schema import AUTO, Machine, Run, UserError
from bench.train.task.train import check, prepare
from bench.train.trainer import budget_of

BACKWARD = 2.0  # a backward pass costs about two forward passes, so evaluation costs a third of training per image
OVERHEAD_S = 0.02  # what a run costs besides: its model, its calls, its row; 12 to 36 ms on the two processors seen


def rehearse(runs: Sequence[Run], machine: Machine, settings: Mapping[str, Any]) -> tuple[dict[Shape, Expected], Crew]:
    """Build each combination of parts once, and time a step of each shape, in the form that suits it best.

    Raises UserError for what cannot be built: an argument a law refuses, data that are missing or corrupt.
    """
    torch.set_num_threads(machine.threads)
    alike = by_shape(runs)
    trials = built(alike, machine, Memory(settings["cache"]))
    if any(run.choices["precision"] == BF16 for run in runs) and resolved(AUTO, machine.device) != BF16:
        print(
            f"precision=bf16: {machine.device} has no units for it here, fp32 may be many times faster", file=sys.stderr
        )
    expected = {cost: expectation(trial, settings, len(alike[cost])) for cost, trial in trials.items()}
    whole = {cost: len(alike[cost]) * one.seconds for cost, one in expected.items()}
    costliest = max(whole, key=lambda cost: whole[cost])
    return expected, crew(trials[costliest], expected[costliest], settings, sum(whole.values()))


def built(alike: Mapping[Shape, Iterable[Run]], machine: Machine, memory: Memory) -> dict[Shape, Trial]:
    """The trial of each shape, once every combination of parts has been built."""
    seen: set[object] = set()
    trials: dict[Shape, Trial] = {}
    for cost, run in ((cost, run) for cost, runs in alike.items() for run in runs):
        weights, stepping = (cost, chosen(run, "initializer")), chosen(run, "optimizer", "schedule")
        if stepping not in seen:
            rehearse_stepping(run)
        if weights not in seen:  # apart from the stepping: some initializers train a while themselves
            trial = Trial(run, machine, *rehearse_weights(run, machine), memory)
            trials.setdefault(cost, trial)
        seen |= {weights, stepping}
    return trials


def chosen(run: Run, *words: str) -> tuple[tuple[str, str], ...]:
    """What the run chose for these words, arguments included."""
    return tuple((key, repr(value)) for key, value in run.choices.items() if key.partition(".")[0] in words)


def rehearse_stepping(run: Run) -> None:
    """Build the optimizer, for any model, and the schedule."""
    registry.build(run, "schedule")(0.0)
    try:
        registry.build(run, "optimizer")(nn.Linear(1, 1))
    except ValueError as refused:  # torch's word on a learning rate below 0 and the like
        raise UserError(f"optimizer {run.choices['optimizer']}: {refused}") from refused


def rehearse_weights(run: Run, machine: Machine) -> tuple[Dataset, nn.Module]:
    """Load the data, build the model and draw its weights."""
    registry.build(run, "task")
    check(run)
    return prepare(run, machine)


def expectation(trial: Trial, settings: Mapping[str, Any], count: int) -> Expected:
    """The form in which so many runs of this shape are to train, and what it makes of their time.

    Raises UserError for a form that they cannot have.
    """
    worth = count * run_seconds(trial, trial.alone) > WORTH_S
    form = form_of(trial, settings["packing"], settings["graph"], count, worth)
    return Expected(run_seconds(trial, form.steps_per_second), form.packing, form.graphed)


def run_seconds(trial: Trial, steps_per_second: float) -> float:
    """Seconds that a run takes, its evaluation included, at so many training steps per second."""
    choices, sizes = trial.run.choices, trial.data.sizes
    budget = budget_of(trial.data, **{key: choices[key] for key in ("epochs", "steps", "batch_size", "warmup_steps")})
    evaluated = budget.steps / budget.epoch_steps * sizes[1] + sizes[2]
    return OVERHEAD_S + (budget.steps + evaluated / budget.batch_size / (1 + BACKWARD)) / steps_per_second


def crew(trial: Trial, expected: Expected, settings: Mapping[str, Any], seconds: float) -> Crew:
    """How many processes are to train; measured on the shape that takes most of the time, if that is long enough."""
    count, on_gpus = settings["processes"], trial.machine.device == "cuda"
    if count == AUTO:
        count = max(1, gpu_count()) if on_gpus else environment.usable_cores()  # some GPUs have no file of their own
        most = PER_GPU * count if on_gpus else count
        if seconds > WORTH_S and most > 1:
            count = processes(trial, expected.packing, expected.graphed, most)
    return Crew(count, settings["job_seconds"])
