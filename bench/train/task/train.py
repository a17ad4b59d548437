"""The task `train`: a fixed budget of steps, a curve per epoch, and the test set read once, at the end.

In: runs of one shape and a machine. Out: their rows. Touches: the device, and checkpoints through rows.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Literal, NamedTuple

import torch
from torch import nn

from bench import registry
from bench.bounds import Count, Natural, Nonnegative, Share
from bench.machine import environment
from bench.machine.precision import autocast, of_gpu
from bench.parts.assembly import assembled
from bench.parts.dataset.tensors import Dataset
from bench.parts.model.fit import Fitted
from bench.registry import task
from bench.rows.correctness import packed
from bench.schema import OK, Machine, Row, Run, UserError
from bench.train import engine, pack, stackable
from bench.train.checkpoint import Keeper
from bench.train.contract import Cost, Task
from bench.train.segment import costs, devices
from bench.train.small_maps import with_products
from bench.train.trainer import Budget, Trainer, budget_of

BACKWARD = 2.0  # a backward pass costs about two forward passes, so evaluation costs a third of training per image


class Prepared(NamedTuple):
    """What a run trains: its data, and its model with the weights drawn, both on the device."""

    data: Dataset
    model: nn.Module
    fitted: Fitted  # to the data, of the model


@task
@dataclass(frozen=True, kw_only=True)
class Train(Task):
    """Train for a fixed budget; a loss that is not finite ends the run as `diverged`.

    Steps take `batch_size` images each; what is left of an epoch's order after its last full batch is not used.
    """

    epochs: Count
    steps: Count | None
    batch_size: Count
    label_smoothing: Share
    warmup_steps: Natural
    order_seed: Natural | None
    precision: Literal["fp32", "bf16", "auto"]  # auto is decided when runs are planned
    target_loss: Nonnegative

    def check(self, run: Run) -> None:
        """Build the optimizer, for any model, and the schedule."""
        registry.build(run, "schedule")(0.0)
        try:
            registry.build(run, "optimizer")(nn.BatchNorm1d(1))
        except ValueError as refused:  # torch refuses a learning rate below 0 and the like
            raise UserError(f"optimizer {run.choices['optimizer']}: {refused}") from refused

    def prepare(self, run: Run, machine: Machine) -> Prepared:
        """Load the data, build the model and draw its weights."""
        data: Dataset = registry.build(run, "dataset")(machine.data, machine.download, run.choices["seed"])
        model, fitted = assembled(run, data, self.batch_size)
        layout = torch.contiguous_format if fitted.contiguous else torch.channels_last
        model = model.to(machine.device).to(memory_format=layout)
        if machine.device == "cpu":  # where products were measured to be faster
            model = with_products(model)
        return Prepared(data.to(machine.device), model, fitted)

    def cost(self, run: Run, machine: Machine, prepared: Prepared) -> Cost:
        """Its training steps, and its evaluations counted as steps; says what was fitted before it trains."""
        for remark in prepared.fitted.remarks:
            say_once(f"{run.choices['model']}: {remark}")
        data, budget = prepared.data, self.budget(prepared.data)
        evaluated = budget.epochs * data.sizes[1] + data.sizes[2]
        model = [f"{key}={value}" for key, value in sorted(run.choices.items()) if key.partition(".")[0] == "model"]
        images, labels = (part[: self.batch_size] for part in data.train)
        batch = "x".join(map(str, images.shape))
        return Cost(
            steps=budget.steps + evaluated / self.batch_size / (1 + BACKWARD),
            step=partial(self._step, run, prepared, machine),
            key=f"precision={self.precision} compile={machine.compiled}, "
            f"{' '.join(model)} normalization={run.choices['normalization']} batch={batch}",
            try_stacking=lambda: stackable.check(prepared.model, images, labels, self._build(machine)),
        )

    def perform(self, runs: Sequence[Run], machine: Machine) -> list[Row]:
        """Train the models of runs of one shape side by side.

        When a signal stops the process, each run ends as `preempted` after its present step, with a checkpoint from
        which the next start resumes.
        """
        started = time.perf_counter()
        if machine.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        trainers = []
        for run in runs:
            begin = partial(self._begin, run, machine, started, len(runs))
            trainer = begin()
            keeper = Keeper(run, machine, arithmetic(trainer), trainer.budget.epoch_steps)
            trainers.append(keeper.resume(trainer, begin))
            trainers[-1].keeper = keeper
        statuses = pack.train(trainers, self._build(machine), machine.graphed)
        return [row_of(trainer, status) for trainer, status in zip(trainers, statuses, strict=True)]

    def begin(self, run: Run, machine: Machine, steps: int | None) -> dict[str, float | None]:
        """Measures of a run after its first `steps`, or after its first epoch; nothing is tested or written."""
        trainer = self._begin(run, machine, time.perf_counter(), 1)
        step = pack.endless([trainer], self._build(machine), graphed=False)
        for _ in range(steps or trainer.left):
            step()
        return trainer.beginning() | ({} if steps else {"train_loss": trainer.mean_loss(0)})

    def budget(self, data: Dataset) -> Budget:
        """The budget of a run on these data."""
        return budget_of(data, self.epochs, self.steps, self.batch_size, self.warmup_steps)

    def _begin(self, run: Run, machine: Machine, started: float, packed: int) -> Trainer:
        return self._trainer(run, machine, self.prepare(run, machine), started, packed)

    def _trainer(self, run: Run, machine: Machine, prepared: Prepared, started: float, packed: int) -> Trainer:
        data, model, fitted = prepared
        numbers = autocast(self.precision, machine.device)
        trainer = Trainer(run, machine, data, model, self.budget(data), self.target_loss, numbers, started, packed)
        trainer.fitted = fitted
        return trainer

    def _build(self, machine: Machine) -> engine.Build:
        numbers = autocast(self.precision, machine.device)
        return engine.builder(numbers, self.label_smoothing, compiled=machine.compiled)

    def _step(self, run: Run, prepared: Prepared, machine: Machine, count: int, graphed: bool) -> Callable[[], None]:
        """One step of `count` copies of the model, as they are trained."""
        copies = [prepared._replace(model=engine.copied(prepared.model)) for _ in range(count)]
        trainers = [self._trainer(run, machine, one, 0.0, count) for one in copies]
        return pack.endless(trainers, self._build(machine), graphed)


@cache
def say_once(remark: str) -> None:
    """Print a remark on standard error, the first time in this process."""
    print(remark, file=sys.stderr)


def row_of(trainer: Trainer, status: str) -> Row:
    """The row of a training that ended with this status; the test set is read here, and nowhere else."""
    tested = trainer.evaluate(trainer.data.test) if status == OK else None
    result = {"test_loss": tested.loss, "test_accuracy": tested.accuracy} if tested else {}
    return Row(
        id=trainer.run.id,
        study=trainer.run.study,
        status=status,
        choices=trainer.run.choices,
        measures=trainer.measures() | result | costs(trainer.segments()),
        curve=trainer.curve,
        environment=surroundings(trainer) | devices(trainer.segments()),
        correct=packed(tested.correct.cpu().numpy()) if tested and trainer.data.fixed_test else None,
    )


def arithmetic(trainer: Trainer) -> dict[str, object]:
    """What decides a run's numbers besides its choices: a run resumes only from a checkpoint made with the same."""
    about, machine = environment.describe(), trainer.machine
    return {
        **{name: about[name] for name in ("initbench", "git_commit", "git_dirty", "torch")},
        "device": machine.device,
        "threads": machine.threads,
        "precision": trainer.run.choices["precision"],
        "layout": "contiguous" if trainer.fitted.contiguous else "channels_last",
        "compiled": machine.compiled,
        "stacked": trainer.packed > 1,
        "graphed": machine.graphed,
        "dataset_checksum": trainer.data.checksum,
        **(of_gpu() if machine.device == "cuda" else {}),
    }


def surroundings(trainer: Trainer) -> dict[str, object]:
    """Where, when and on what the run happened, and the number of runs that were trained side by side."""
    data = trainer.data
    return {
        **environment.describe(),
        **arithmetic(trainer),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "packed": trainer.packed,
        "graphed": trainer.graphed,
        "classes": data.classes,
        "train_images": data.sizes[0],
        "validation_images": data.sizes[1],
        "test_images": data.sizes[2],
        **({"fitted": [*trainer.fitted.remarks]} if trainer.fitted.remarks else {}),
    }
