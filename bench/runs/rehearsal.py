"""A rehearsal before a sweep: every part is built once, so that a mistake is found before anything is trained.

In: runs. Out: seconds per run, expected. Touches: the device; trains nothing, writes nothing.
"""

import time
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bench import registry
from bench.parts.dataset.tensors import Dataset
from bench.runs.pack import shape
from bench.runs.task.train import check, prepare
from bench.runs.trainer import budget_of
from bench.schema import Machine, Run, UserError

BACKWARD = 2.0  # a backward pass costs about two forward passes, so evaluation costs a third of training per image


def rehearse(runs: Iterable[Run], machine: Machine) -> dict[object, float]:
    """Build each combination of parts once and time one step of each shape; seconds per run, by shape.

    Raises UserError for what cannot be built: an argument a law refuses, data that are missing or corrupt.
    """
    torch.set_num_threads(machine.threads)
    seen: set[object] = set()
    seconds: dict[object, float] = {}
    for run in runs:
        cost = shape(run)
        weights, stepping = (cost, chosen(run, "initializer")), chosen(run, "optimizer", "schedule")
        if stepping not in seen:
            rehearse_stepping(run)
        if weights not in seen:  # apart from the stepping: some initializers train a while themselves
            data, model = rehearse_weights(run, machine)
            if cost not in seconds:
                seconds[cost] = run_seconds(run, data, model)
        seen |= {weights, stepping}
    return seconds


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


def run_seconds(run: Run, data: Dataset, model: nn.Module) -> float:
    """Seconds that the run will take, from one forward and backward pass."""
    budget = budget_of(data, **{key: run.choices[key] for key in ("epochs", "steps", "batch_size", "warmup_steps")})
    batch_size = budget.batch_size
    images, labels = data.train.images[:batch_size], data.train.labels[:batch_size]
    for _ in range(2):  # the first pass pays for what the library sets up once
        started = time.perf_counter()
        cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        float(labels[0])  # waits for a GPU
        step_seconds = time.perf_counter() - started
    evaluated = budget.steps / budget.epoch_steps * data.sizes[1] + data.sizes[2]
    return float(step_seconds * (budget.steps + evaluated / batch_size / (1 + BACKWARD)))
