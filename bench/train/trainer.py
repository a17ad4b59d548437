"""The training of one run, around its steps. It can be stopped between any two and resumed to the same last bit.

In: data, a model with its weights, a budget. Out: what its steps take, a curve, measures. Touches: the device, the
generators.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench import registry
from bench.parts.dataset.tensors import Dataset, Split
from bench.parts.model.fit import Fitted
from bench.parts.seeds import generator
from bench.schema import DIVERGED, OK, Machine, Run, UserError
from bench.train import global_rng as generators
from bench.train.checkpoint import Keeper
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
    target_loss: float
    autocast: torch.autocast
    started: float  # when this segment of the run began, by time.perf_counter
    packed: int  # runs trained side by side, this one included: its time is its share of theirs
    curve: list[dict[str, float | int | None]] = field(default_factory=list)
    steps: int = 0  # that are done
    gradient_norm: Tensor | None = None  # at step 0, on the device
    test_evaluations: int = 0
    training_seconds: float = 0.0  # of this segment
    earlier: list[Segment] = field(default_factory=list)
    fitted: Fitted = field(default_factory=Fitted)  # to the data, of the model
    keeper: Keeper | None = None  # of its checkpoints
    graphed: bool = False  # whether its steps are captured

    def __post_init__(self) -> None:
        self.optimizer = registry.build(self.run, "optimizer")(self.model)
        self.schedule: Callable[[float], float] = registry.build(self.run, "schedule")
        order_seed = self.run.choices["order_seed"]
        seed = self.run.choices["seed"] if order_seed is None else order_seed
        self.order, self.augmentation = generator(seed, "order"), generator(seed, "augment")
        self.epoch_begin = self.order.get_state(), self.augmentation.get_state()
        self.losses = self.data.train.images.new_zeros(self.budget.steps)  # one per step, on the device
        generators.seed(generator(seed, "global").initial_seed())
        for group in self.optimizer.param_groups:
            group["peak"] = group["lr"]

    @property
    def epoch_range(self) -> range:
        """The steps of the present epoch."""
        first = len(self.curve) * self.budget.epoch_steps
        return range(first, min(first + self.budget.epoch_steps, self.budget.steps))

    @property
    def left(self) -> int:
        """Steps that are left of the present epoch."""
        return self.epoch_range.stop - self.steps

    @property
    def position(self) -> tuple[int, int, Budget]:
        """Where this training is; trainings at one position can take their steps together."""
        return self.steps, len(self.curve), self.budget

    def tables(self) -> tuple[Tensor, Tensor]:
        """Of the present epoch, the indices of the images of each batch, (steps, N), and their moves, (steps, 3, N).

        Drawn on the CPU, from the epoch's first step on.
        """
        self.model.train()
        self.epoch_begin = self.order.get_state(), self.augmentation.get_state()
        steps, size = len(self.epoch_range), self.budget.batch_size
        order = torch.randperm(self.data.sizes[0], generator=self.order)[: steps * size].view(steps, size)
        return order, torch.stack([self.data.draw(size, self.augmentation) for _ in range(steps)])

    def rates(self, step: int) -> list[float]:
        """The learning rate at a step of each group of parameters."""
        budget = self.budget
        warmth = min(1.0, (step + 1) / budget.warmup_steps) if budget.warmup_steps else 1.0
        return [group["peak"] * warmth * self.schedule(step / budget.steps) for group in self.optimizer.param_groups]

    def update(self) -> None:
        """One update of the weights, by the gradients in the parameters."""
        for group, rate in zip(self.optimizer.param_groups, self.rates(self.steps), strict=True):
            group["lr"] = rate
        self.optimizer.step()

    def end_epoch(self) -> str:
        """Evaluate, and add to the curve; the status of a run that ends here: `ok` or `diverged`, else ""."""
        mean = self.mean_loss(self.epoch_range.start)
        self.curve.append({"epoch": len(self.curve) + 1, "train_loss": mean})
        if not math.isfinite(mean):
            return DIVERGED
        found = self.evaluate(self.data.validation)
        self.curve[-1] |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
        return OK if len(self.curve) == self.budget.epochs else ""

    def mean_loss(self, first: int) -> float:
        """The mean train loss from step `first` on. Waits for the device, which is part of the training's time."""
        started = time.perf_counter()
        mean = float(self.losses[first : self.steps].double().mean())
        self.training_seconds += time.perf_counter() - started
        return mean

    def steps_to_loss(self) -> int | None:
        """The first step, of every `WINDOW`th and the last, at which the mean loss since the last is at the target."""
        losses = self.losses[: self.steps].double().cpu()
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

        The order and the augmentation of an epoch are kept as the states that their generators had before; the position
        in it follows from the steps done.
        """
        order, augmentation = self.epoch_begin
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": order,
            "augmentation": augmentation,
            "global": generators.states(),
            "losses": self.losses[: self.steps],
            "segments": [asdict(one) for one in self.segments()],
            **{name: getattr(self, name) for name in PLAIN},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state on this trainer's device. Raises where the state does not fit the model."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = len(state["losses"])
        self.losses[: self.steps] = state["losses"]
        self.earlier = [Segment(**one) for one in state["segments"]]
        for name in PLAIN:
            setattr(self, name, state[name])
        self.order.set_state(state["order"])
        self.augmentation.set_state(state["augmentation"])
        generators.restore(state["global"])
