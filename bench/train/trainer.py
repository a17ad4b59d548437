"""The training loop of one run. It can be stopped between any two steps and resumed to the same last bit.

In: data, a model with its weights, a budget. Out: losses, a curve, measures. Touches: the device, the generators.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench import registry
from bench.parts.dataset.tensors import Dataset, Split
from bench.parts.model.fit import Fitted
from bench.parts.seeds import generator
from bench.schema import DIVERGED, OK, PREEMPTED, Machine, Run, UserError
from bench.train import global_rng as generators
from bench.train import under_way
from bench.train.engine import Batch, Course
from bench.train.segment import Segment, segment, training_seconds

WINDOW = 20  # steps whose mean loss is held against the target
EVALUATION_BATCH = 1000  # images; large enough to fill a device, small enough for any memory
PLAIN = ("curve", "gradient_norm", "test_evaluations")  # what a state holds without a change of form


@dataclass(frozen=True)
class Budget:
    """How long a run trains: `steps` in all, of `batch_size` images each, in epochs of `epoch_steps` steps."""

    steps: int
    epoch_steps: int
    batch_size: int
    warmup_steps: int

    @property
    def epochs(self) -> int:
        """The number of epochs, the last of which may be shorter."""
        return math.ceil(self.steps / self.epoch_steps)


def budget_of(data: Dataset, epochs: int, steps: int | None, batch_size: int, warmup_steps: int) -> Budget:
    """The budget on these data: `steps`, or the steps of `epochs` full epochs.

    Raises UserError for a batch that is larger than the training split, and a warm-up that is longer than the run.
    """
    images = data.sizes[0]
    if batch_size > images:
        raise UserError(f"batch_size={batch_size} is more than the {images} images to train on; take at most {images}")
    epoch_steps = images // batch_size
    budget = Budget(steps or epochs * epoch_steps, epoch_steps, batch_size, warmup_steps)
    if warmup_steps > budget.steps:
        raise UserError(f"warmup_steps={warmup_steps} is longer than the run, which has {budget.steps} steps")
    return budget


class Evaluation(NamedTuple):
    """The mean cross-entropy over a split, and whether each of its images is classified correctly, (N,)."""

    loss: float
    correct: Tensor

    @property
    def accuracy(self) -> float:
        """The share of the images that are classified correctly."""
        return int(self.correct.sum()) / len(self.correct)


@dataclass
class Trainer:
    """The training of one run: its model, its budget, and its losses and measures so far."""

    run: Run
    machine: Machine
    data: Dataset
    model: nn.Module
    budget: Budget
    label_smoothing: float
    target_loss: float
    autocast: torch.autocast
    started: float  # when this segment of the run began, by time.perf_counter
    packed: int  # runs trained side by side, this one included: its time is its share of theirs
    curve: list[dict[str, float | int | None]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)  # one per step, on the device
    gradient_norm: Tensor | None = None  # at step 0, on the device
    test_evaluations: int = 0
    training_seconds: float = 0.0  # of this segment
    earlier: list[Segment] = field(default_factory=list)
    fitted: Fitted = field(default_factory=Fitted)  # to the data, of the model

    def __post_init__(self) -> None:
        self.optimizer = registry.build(self.run, "optimizer")(self.model)
        self.schedule: Callable[[float], float] = registry.build(self.run, "schedule")
        order_seed = self.run.choices["order_seed"]
        seed = self.run.choices["seed"] if order_seed is None else order_seed
        self.order, self.augmentation = generator(seed, "order"), generator(seed, "augment")
        self.epoch_order = self.order.get_state()
        generators.seed(generator(seed, "global").initial_seed())
        for group in self.optimizer.param_groups:
            group["peak"] = group["lr"]

    def fit(self, interrupted: Callable[["Trainer"], bool]) -> Course:
        """Train to the end of the budget (`ok`), or of an epoch with a loss that is not finite (`diverged`).

        Ends as `preempted` when `interrupted`, called after every step, returns True. Yields each batch and is sent its
        loss. Within an epoch the host never waits for the device.
        """
        while len(self.curve) < self.budget.epochs:
            first = len(self.curve) * self.budget.epoch_steps
            if (yield from self.epoch(interrupted)) == PREEMPTED:
                return PREEMPTED
            mean = self.mean_loss(first)
            self.curve.append({"epoch": len(self.curve) + 1, "train_loss": mean})
            if not math.isfinite(mean):
                return DIVERGED
            found = self.evaluate(self.data.validation)
            self.curve[-1] |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
        return OK

    def epoch(self, interrupted: Callable[["Trainer"], bool]) -> Course:
        """One pass over the training split, or what is left of it."""
        self.model.train()
        for indices in self.batches():
            started = time.perf_counter()
            loss = yield self.batch(indices)
            self.step(loss)
            self.training_seconds += time.perf_counter() - started
            under_way.reached(self.run.id, self.steps / self.budget.steps)
            if interrupted(self):
                return PREEMPTED
        return OK

    def batches(self) -> Sequence[Tensor]:
        """The indices of the batches that are left of this epoch."""
        self.epoch_order = self.order.get_state()
        indices = torch.randperm(self.data.sizes[0], generator=self.order).to(self.machine.device)
        first = len(self.curve) * self.budget.epoch_steps
        last = min(self.budget.epoch_steps, self.budget.steps - first)
        return torch.split(indices, self.budget.batch_size)[self.steps - first : last]

    def batch(self, indices: Tensor) -> Batch:
        """The images of these indices, augmented."""
        images = self.data.augment(self.data.train.images[indices], self.augmentation)
        labels = self.data.train.labels[indices]
        return Batch(images.contiguous(memory_format=torch.channels_last), labels, self.label_smoothing)

    def step(self, loss: Tensor) -> None:
        """One update of the weights, by the gradients of this loss."""
        done, budget = self.steps, self.budget
        warmth = min(1.0, (done + 1) / budget.warmup_steps) if budget.warmup_steps else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * warmth * self.schedule(done / budget.steps)
        if done == 0:
            gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
            self.gradient_norm = nn.utils.get_total_norm(gradients)
        self.optimizer.step()
        self.losses.append(loss)

    @property
    def steps(self) -> int:
        """The number of steps that are done."""
        return len(self.losses)

    def mean_loss(self, first: int) -> float:
        """The mean train loss from step `first` on. Waits for the device, which is part of the training's time."""
        started = time.perf_counter()
        mean = float(torch.stack(self.losses[first:]).double().mean())
        self.training_seconds += time.perf_counter() - started
        return mean

    def steps_to_loss(self) -> int | None:
        """The first step, of every `WINDOW`th and the last, at which the mean loss since the last is at the target."""
        losses = torch.stack(self.losses).double().cpu()
        ends = [end for end in range(WINDOW, self.steps + 1) if end % WINDOW == 0 or end == self.budget.steps]
        return next((end for end in ends if losses[end - WINDOW : end].mean() <= self.target_loss), None)

    @torch.no_grad()
    def evaluate(self, split: Split) -> Evaluation:
        """The model on a split, with the running statistics."""
        self.model.eval()
        self.test_evaluations += split is self.data.test
        loss = torch.zeros((), dtype=torch.float64, device=self.machine.device)
        correct = []
        for images, labels in zip(
            torch.split(split.images, EVALUATION_BATCH), torch.split(split.labels, EVALUATION_BATCH), strict=True
        ):
            with self.autocast:
                logits = self.model(images.contiguous(memory_format=torch.channels_last))
            loss += cross_entropy(logits.double(), labels, reduction="sum")
            correct.append(logits.argmax(1) == labels)
        return Evaluation(float(loss) / len(split.labels), torch.cat(correct))

    def segments(self) -> list[Segment]:
        """The segments of this run so far, the present one last."""
        seconds = time.perf_counter() - self.started
        return [*self.earlier, segment(self.machine, seconds / self.packed, self.training_seconds / self.packed)]

    def measures(self) -> dict[str, float | int | None]:
        """The measures of the training; None where the run ended before there was anything to measure."""
        first, last = (self.curve[0], self.curve[-1]) if self.curve else ({}, {})
        return {
            "train_loss": last.get("train_loss"),
            "validation_loss": last.get("validation_loss"),
            "validation_accuracy": last.get("validation_accuracy"),
            "first_epoch_accuracy": first.get("validation_accuracy"),
            **self.beginning(),
            "steps": self.steps,
            "steps_to_loss": self.steps_to_loss(),
            "test_evaluations": self.test_evaluations,
            "images_per_second": self.steps * self.budget.batch_size / training_seconds(self.segments()),
        }

    def beginning(self) -> dict[str, float | None]:
        """The measures of the first step."""
        return {
            "initial_loss": float(self.losses[0]),
            "initial_gradient_norm": None if self.gradient_norm is None else float(self.gradient_norm),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step and the row depend on, in tensors and plain values.

        The order of an epoch is kept as the state that its generator had before; the position in it follows from the
        steps done.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.epoch_order,
            "augmentation": self.augmentation.get_state(),
            "global": generators.states(),
            "losses": torch.stack(self.losses),
            "segments": [asdict(one) for one in self.segments()],
            **{name: getattr(self, name) for name in PLAIN},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state on this trainer's device. Raises where the state does not fit the model."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses = list(state["losses"].to(self.machine.device))
        self.earlier = [Segment(**one) for one in state["segments"]]
        for name in PLAIN:
            setattr(self, name, state[name])
        self.order.set_state(state["order"])
        self.augmentation.set_state(state["augmentation"])
        generators.restore(state["global"])
