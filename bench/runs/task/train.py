"""The task `train`: a fixed budget of steps, a curve per epoch, and the test set read once, at the end.

In: a run and the machine it happens on. Out: its row. Touches: the device.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench import registry
from bench.parts.dataset.tensors import Dataset, Split
from bench.parts.gain import resolved
from bench.registry import task
from bench.rows import environment
from bench.runs.seeds import generator
from bench.schema import DIVERGED, OK, Machine, Row, Run, UserError

LOOK_EVERY = 20  # steps between looks at the loss; each look makes a GPU wait for the host
EVALUATION_BATCH = 1000  # images; large enough to fill a device, small enough for any memory


@task
def train(
    run: Run,
    machine: Machine,
    *,
    epochs: int,
    steps: int | None,
    batch_size: int,
    label_smoothing: float,
    warmup_steps: int,
    target_loss: float,
) -> Row:
    """Train the run's model and measure it; a loss that is not finite ends the run as `diverged`.

    Steps take `batch_size` images each; what is left of an epoch's order after its last full batch is not used.
    """
    started = time.perf_counter()
    if machine.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    data, model = prepare(run, machine)
    budget = budget_of(data, epochs, steps, batch_size, warmup_steps)
    trainer = Trainer(run, machine, data, model, budget, label_smoothing, target_loss)
    finite = trainer.fit()
    measures = trainer.measures()
    if finite:
        measures |= dict(zip(("test_loss", "test_accuracy"), trainer.evaluate(data.test), strict=True))
    measures |= {"seconds": time.perf_counter() - started, "peak_memory_bytes": peak_memory_bytes(machine)}
    return Row(
        id=run.id,
        study=run.study,
        status=OK if finite else DIVERGED,
        choices=run.choices,
        measures=measures,
        curve=trainer.curve,
        environment=surroundings(machine, data),
    )


def check(run: Run) -> None:
    """Raises UserError where the arguments of the task make no training."""
    chosen = run.arguments("task")
    counts = {name: chosen[name] for name in ("epochs", "steps", "batch_size") if chosen[name] is not None}
    if wrong := [f"{name}={count}" for name, count in counts.items() if count < 1]:
        raise UserError(f"nothing is trained with {', '.join(wrong)}; give at least 1")
    if chosen["warmup_steps"] < 0:
        raise UserError(f"warmup_steps={chosen['warmup_steps']} is below 0; give 0 for none")
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
        run.choices.get("initializer.residual", "sum"),
    )
    batch = data.train.take(torch.arange(min(run.choices["batch_size"], data.sizes[0])))
    numbers = resolved(run.arguments("initializer"), activation())
    registry.build(run, "initializer")(model, generator(run.choices["seed"], "init"), batch, **numbers)
    return data.to(machine.device), model.to(machine.device).to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Budget:
    """How long a run trains: `steps` in all, of `batch_size` images each, in epochs of `epoch_steps`."""

    steps: int
    epoch_steps: int
    batch_size: int
    warmup_steps: int


def budget_of(data: Dataset, epochs: int, steps: int | None, batch_size: int, warmup_steps: int) -> Budget:
    """The budget on these data: `steps`, or so many full epochs."""
    epoch_steps = max(1, data.sizes[0] // batch_size)
    return Budget(steps or epochs * epoch_steps, epoch_steps, batch_size, warmup_steps)


@dataclass
class Trainer:
    """The loop over batches of one run, and what it has seen so far."""

    run: Run
    machine: Machine
    data: Dataset
    model: nn.Module
    budget: Budget
    label_smoothing: float
    target_loss: float
    curve: list[dict[str, float | int | None]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)  # one per step, on the device
    gradient_norm: float | None = None  # at step 0
    steps_to_loss: int | None = None
    training_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.optimizer = registry.build(self.run, "optimizer")(self.model)
        self.schedule: Callable[[float], float] = registry.build(self.run, "schedule")
        self.order = generator(self.run.choices["seed"], "order")
        self.augmentation = generator(self.run.choices["seed"], "augment")
        for group in self.optimizer.param_groups:
            group["peak"] = group["lr"]

    def fit(self) -> bool:
        """Train to the end of the budget; False as soon as the loss is found not to be finite."""
        while len(self.losses) < self.budget.steps:
            first, started = len(self.losses), time.perf_counter()
            finite = self.epoch()
            self.training_seconds += time.perf_counter() - started
            self.curve.append({"epoch": len(self.curve) + 1, "train_loss": self.mean_loss(first)})
            if not finite:
                return False
            loss, accuracy = self.evaluate(self.data.validation)
            self.curve[-1] |= {"validation_loss": loss, "validation_accuracy": accuracy}
        return True

    def epoch(self) -> bool:
        """One pass over the training split, or what the budget leaves of it; whether the loss stayed finite."""
        self.model.train()
        indices = torch.randperm(self.data.sizes[0], generator=self.order).to(self.machine.device)
        for batch in torch.split(indices, self.budget.batch_size)[: self.budget.epoch_steps]:
            self.step(batch)
            ended = len(self.losses) == self.budget.steps
            if (ended or len(self.losses) % LOOK_EVERY == 0) and not self.look():
                return False
            if ended:
                break
        return True

    def step(self, batch: Tensor) -> None:
        """One update on the images of these indices."""
        done, budget = len(self.losses), self.budget
        warmth = min(1.0, (done + 1) / budget.warmup_steps) if budget.warmup_steps else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * warmth * self.schedule(done / budget.steps)
        images = self.data.augment(self.data.train.images[batch], self.augmentation)
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        loss = cross_entropy(logits, self.data.train.labels[batch], label_smoothing=self.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if done == 0:
            gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
            self.gradient_norm = float(nn.utils.get_total_norm(gradients))
        self.optimizer.step()
        self.losses.append(loss.detach())

    def look(self) -> bool:
        """Whether the recent loss is finite; notes the first step at which its mean had come down to the target."""
        recent = self.mean_loss(-LOOK_EVERY)
        if self.steps_to_loss is None and recent <= self.target_loss and len(self.losses) >= LOOK_EVERY:
            self.steps_to_loss = len(self.losses)
        return math.isfinite(recent)

    def mean_loss(self, first: int) -> float:
        """The mean train loss from step `first` on."""
        return float(torch.stack(self.losses[first:]).double().mean())

    @torch.no_grad()
    def evaluate(self, split: Split) -> tuple[float, float]:
        """Mean cross-entropy and accuracy (0..1) over a split, with the running statistics."""
        self.model.eval()
        loss, correct = 0.0, 0
        for images, labels in zip(
            torch.split(split.images, EVALUATION_BATCH), torch.split(split.labels, EVALUATION_BATCH), strict=True
        ):
            logits = self.model(images.contiguous(memory_format=torch.channels_last))
            loss += float(cross_entropy(logits.double(), labels, reduction="sum"))
            correct += int((logits.argmax(1) == labels).sum())
        return loss / len(split.labels), correct / len(split.labels)

    def measures(self) -> dict[str, float | int | None]:
        """What the training itself says; None where the run diverged before there was anything to measure."""
        first, last = self.curve[0], self.curve[-1]
        return {
            "train_loss": last["train_loss"],
            "validation_loss": last.get("validation_loss"),
            "validation_accuracy": last.get("validation_accuracy"),
            "first_epoch_accuracy": first.get("validation_accuracy"),
            "initial_loss": float(self.losses[0]),
            "initial_gradient_norm": self.gradient_norm,
            "steps": len(self.losses),
            "steps_to_loss": self.steps_to_loss,
            "images_per_second": len(self.losses) * self.budget.batch_size / self.training_seconds,
        }


def surroundings(machine: Machine, data: Dataset) -> dict[str, object]:
    """Where and on what the run happened."""
    device = torch.cuda.get_device_name() if machine.device == "cuda" else environment.describe()["processor"]
    return {
        **environment.describe(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": machine.device,
        "device_name": device,
        "threads": machine.threads,
        "precision": "float32",
        "layout": "channels_last",
        "dataset_checksum": data.checksum,
        "classes": data.classes,
        "train_images": data.sizes[0],
        "validation_images": data.sizes[1],
        "test_images": data.sizes[2],
    }


def peak_memory_bytes(machine: Machine) -> int:
    """On a GPU the most that torch held at once; else the most that this process, with all its runs so far, had."""
    return torch.cuda.max_memory_allocated() if machine.device == "cuda" else environment.peak_memory_bytes()
