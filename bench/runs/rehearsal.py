"""A rehearsal before a sweep: every part is built once, so that a mistake is found before anything is trained.

In: runs. Out: seconds per run, expected. Touches: the device; trains nothing, writes nothing.
"""

import time
from collections.abc import Iterable

import torch
from torch.nn.functional import cross_entropy

from bench import registry
from bench.runs.pack import shape
from bench.runs.task.train import budget_of, check, prepare
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
        parts = tuple(sorted((key, repr(value)) for key, value in run.choices.items() if key != "seed"))
        if parts not in seen:
            seen.add(parts)
            timed = rehearse_one(run, machine, timed=shape(run) not in seconds)
            seconds.setdefault(shape(run), timed)
    return seconds


def rehearse_one(run: Run, machine: Machine, timed: bool) -> float:
    """Seconds that this run will take, from one forward and backward pass; 0.0 when it is built but not timed."""
    registry.build(run, "task")
    check(run)
    data, model = prepare(run, machine)
    registry.build(run, "schedule")(0.0)
    try:
        registry.build(run, "optimizer")(model)
    except ValueError as refused:  # torch's word on a learning rate below 0 and the like
        raise UserError(f"optimizer {run.choices['optimizer']}: {refused}") from refused
    chosen = {key: run.choices[key] for key in ("epochs", "steps", "batch_size", "warmup_steps")}
    budget = budget_of(data, **chosen)
    if not timed:
        return 0.0
    batch_size = budget.batch_size
    images, labels = data.train.images[:batch_size], data.train.labels[:batch_size]
    for _ in range(2):  # the first pass pays for what the library sets up once
        started = time.perf_counter()
        cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        float(labels[0])  # waits for a GPU
        step_seconds = time.perf_counter() - started
    evaluated = budget.steps / budget.epoch_steps * data.sizes[1] + data.sizes[2]
    return float(step_seconds * (budget.steps + evaluated / batch_size / (1 + BACKWARD)))
