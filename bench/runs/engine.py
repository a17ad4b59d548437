"""The engine: it computes losses and gradients for one training, or for several of one shape at once, as a pack.

A pack stacks the weights of its models and takes one step for all of them in one batched call (torch.func.vmap over any
module, batch norm and its running statistics included). Each training keeps its own order, augmentation, optimizer,
schedule, evaluation and end, so that nothing but the order of rounding tells a pack from runs alone.

In: trainings. Out: how each of them ended. Touches: the device.
"""

from collections.abc import Generator, Iterable, Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.functional import cross_entropy

# an operator that has no batched form yet is slower, no mistake
torch._C._functorch._set_vmap_fallback_warning_enabled(False)  # type: ignore[attr-defined]


class Batch(NamedTuple):
    """What one step trains on: images (N, C, H, W) in channels_last, labels (N,), and how much they are smoothed."""

    images: Tensor
    labels: Tensor
    label_smoothing: float


# A training as a coroutine: it yields each batch that it wants to learn from, is sent the loss, a scalar on the device,
# with the gradients in the parameters of its model, and returns how it ended.
Course = Generator[Batch, Tensor, str]


def train(models: Sequence[nn.Module], courses: Sequence[Course], autocast: torch.autocast) -> list[str]:
    """Follow the course of each model to its end, side by side; how each of them ended."""
    ended = [""] * len(courses)
    wanted: dict[int, Batch] = {}

    def advance(place: int, loss: Tensor | None) -> None:
        try:
            wanted[place] = courses[place].send(loss)  # type: ignore[arg-type]  # None begins a coroutine
        except StopIteration as end:
            wanted.pop(place, None)
            ended[place] = end.value

    for place in range(len(courses)):
        advance(place, None)
    while wanted:
        engine = engine_of([models[place] for place in wanted], autocast)
        together = len(wanted)
        while len(wanted) == together:  # those that are left go on without the one that has ended
            losses = engine.losses(list(wanted.values()))
            for place, loss in zip(list(wanted), losses, strict=True):
                advance(place, loss)
    return ended


def engine_of(models: Sequence[nn.Module], autocast: torch.autocast) -> "Alone | Stacked":
    """The engine for so many models."""
    return Alone(models[0], autocast) if len(models) == 1 else Stacked(models, autocast)


class Alone:
    """One model, by torch's autograd."""

    def __init__(self, model: nn.Module, autocast: torch.autocast) -> None:
        self.model, self.autocast = model, autocast

    def losses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The loss of the one batch; its gradients are in the parameters."""
        [batch] = batches
        self.model.zero_grad()
        with self.autocast:
            logits = self.model(batch.images)
        loss = loss_of(logits, batch.images, batch.labels, batch.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return [loss.detach()]


class Stacked:
    """R models of one shape: each parameter and buffer is one tensor (R, ...), and each model's own is a view of it."""

    def __init__(self, models: Sequence[nn.Module], autocast: torch.autocast) -> None:
        self.models, self.autocast = models, autocast
        self.form = deepcopy(models[0]).to("meta").train()
        self.parameters = stacked(dict(model.named_parameters()) for model in models)
        self.buffers = stacked(dict(model.named_buffers()) for model in models)
        for place, model in enumerate(models):
            for name, parameter in model.named_parameters():
                parameter.data = self.parameters[name][place]
            for name in self.buffers:
                module, _, own = name.rpartition(".")
                model.get_submodule(module)._buffers[own] = self.buffers[name][place]

    def losses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The losses of the R batches; the gradients are in the parameters of each model."""
        images = torch.stack([batch.images for batch in batches])
        labels = torch.stack([batch.labels for batch in batches])
        step = vmap(grad_and_value(self._loss), in_dims=(0, 0, 0, 0, None), randomness="different")
        with self.autocast:
            gradients, losses = step(self.parameters, self.buffers, images, labels, batches[0].label_smoothing)
        for place, model in enumerate(self.models):
            for name, parameter in model.named_parameters():
                parameter.grad = gradients[name][place]
        return list(losses.detach())

    def _loss(
        self,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        images: Tensor,
        labels: Tensor,
        label_smoothing: float,
    ) -> Tensor:
        logits = functional_call(self.form, (parameters, buffers), (images,))
        return loss_of(logits, images, labels, label_smoothing)


def loss_of(logits: Tensor, images: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy in the precision of the images, whatever autocast made of the logits: 8 bits are too few to sum."""
    return cross_entropy(logits.to(images.dtype), labels, label_smoothing=label_smoothing)


def stacked(states: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of several models by name, each (R, ...)."""
    each = list(states)
    return {name: torch.stack([one[name].detach() for one in each]) for name in each[0]}
