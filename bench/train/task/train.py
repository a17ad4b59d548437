"""The task `train`: a fixed budget of steps, a curve per epoch, and the test set read once, at the end.

In: a run and the machine it happens on. Out: its row. Touches: the device, and checkpoints through rows.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch import nn

from bench import registry
from bench.machine import environment
from bench.machine.precision import BF16, FP32, autocast
from bench.parts.arguments import RESIDUAL, SUM
from bench.parts.dataset.tensors import Dataset
from bench.parts.gain import resolved
from bench.parts.seeds import generator
from bench.registry import task, unknown
from bench.schema import OK, Machine, Row, Run, UserError
from bench.train import engine
from bench.train.checkpoint import Keeper
from bench.train.segment import costs, places
from bench.train.small_maps import with_products
from bench.train.trainer import Trainer, budget_of


@task
def train(
    runs: Sequence[Run],
    machine: Machine,
    *,
    epochs: int,
    steps: int | None,
    batch_size: int,
    label_smoothing: float,
    warmup_steps: int,
    target_loss: float,
    order_seed: int | None,
    precision: str,
) -> list[Row]:
    """Train the models of runs of one shape side by side; a loss that is not finite ends its run as `diverged`.

    A wish to stop ends it as `preempted` after the present step, with a checkpoint that the next start goes on from.
    Steps take `batch_size` images each; what is left of an epoch's order after its last full batch is not used.
    """
    started = time.perf_counter()
    if machine.device == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def begin(run: Run) -> Trainer:
        data, model = prepare(run, machine)
        budget = budget_of(data, epochs, steps, batch_size, warmup_steps)
        numbers = autocast(precision, machine.device)
        return Trainer(run, machine, data, model, budget, label_smoothing, target_loss, numbers, started, len(runs))

    trainers, courses = [], []
    for run in runs:
        trainer = begin(run)
        keeper = Keeper(run, machine, arithmetic(run, machine, trainer.data), trainer.budget.epoch_steps)
        trainers.append(keeper.resume(trainer, partial(begin, run)))
        courses.append(trainers[-1].fit(keeper.interrupts))
    build = engine.builder(autocast(precision, machine.device), compiled=machine.compiled, graphed=machine.graphed)
    ended = engine.train([trainer.model for trainer in trainers], courses, build)
    return [row_of(trainer, status) for trainer, status in zip(trainers, ended, strict=True)]


def row_of(trainer: Trainer, status: str) -> Row:
    """The row of a training that ended so; the test set is read here, and nowhere else."""
    tested = trainer.test() if status == OK else {}
    return Row(
        id=trainer.run.id,
        study=trainer.run.study,
        status=status,
        choices=trainer.run.choices,
        measures=trainer.measures() | tested | costs(trainer.parts()),
        curve=trainer.curve,
        environment=surroundings(trainer) | places(trainer.parts()),
    )


def check(run: Run) -> None:
    """Raises UserError where the arguments of the task make no training."""
    chosen = run.arguments("task")
    counts = {name: chosen[name] for name in ("epochs", "steps", "batch_size") if chosen[name] is not None}
    if wrong := [f"{name}={count}" for name, count in counts.items() if count < 1]:
        raise UserError(f"nothing is trained with {', '.join(wrong)}; give at least 1")
    if chosen["warmup_steps"] < 0:
        raise UserError(f"warmup_steps={chosen['warmup_steps']} is below 0; give 0 for none")
    if chosen["precision"] not in (FP32, BF16):
        raise UserError(unknown("precision", chosen["precision"], (FP32, BF16)))
    if not 0 <= chosen["label_smoothing"] <= 1:
        raise UserError(f"label_smoothing={chosen['label_smoothing']} is no share; give 0 to 1")


def prepare(run: Run, machine: Machine) -> tuple[Dataset, nn.Module]:
    """The run's data, and its model with the weights drawn, both on the device."""
    data: Dataset = registry.build(run, "dataset")(Path(machine.data), machine.download)
    activation: Callable[[], nn.Module] = registry.build(run, "activation")
    model: nn.Module = registry.build(run, "model")(
        data.shape,
        data.classes,
        activation,
        registry.build(run, "normalization"),
        run.choices.get(RESIDUAL, SUM),
    )
    batch = data.train.take(torch.arange(min(run.choices["batch_size"], data.sizes[0])))
    numbers = resolved(run.arguments("initializer"), activation())
    registry.build(run, "initializer")(model, generator(run.choices["seed"], "init"), batch, **numbers)
    model = model.to(machine.device).to(memory_format=torch.channels_last)
    if machine.device == "cpu":  # where products were measured to be faster
        model = with_products(model)
    return data.to(machine.device), model


def arithmetic(run: Run, machine: Machine, data: Dataset) -> dict[str, object]:
    """What decides a run's numbers besides its choices: a checkpoint made with anything else is not gone on from."""
    about = environment.describe()
    return {
        **{name: about[name] for name in ("initbench", "git_commit", "git_dirty", "torch")},
        "device": machine.device,
        "threads": machine.threads,
        "precision": run.choices["precision"],
        "layout": "channels_last",
        "compiled": machine.compiled,
        "dataset_checksum": data.checksum,
    }


def surroundings(trainer: Trainer) -> dict[str, object]:
    """Where, when and on what the run happened, and how many runs were trained side by side, itself included."""
    data = trainer.data
    return {
        **environment.describe(),
        **arithmetic(trainer.run, trainer.machine, data),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "packed": trainer.packed,
        "graphed": trainer.machine.graphed,
        "classes": data.classes,
        "train_images": data.sizes[0],
        "validation_images": data.sizes[1],
        "test_images": data.sizes[2],
    }
