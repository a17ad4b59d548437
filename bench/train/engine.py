"""The engine: it computes losses and gradients of one model, or of several of one shape at once, as a pack.

A pack stacks the weights of its models, and computes all of them in one batched call: torch.func.vmap over any module
that draws no random numbers, batch norm and its running statistics included. So a pack differs from runs alone in the
order of rounding only.

In: models, batches. Out: losses, gradients. Touches: the device.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from bench.train.stacked_operations import StackedOperations

PLAIN = int | float | complex | str | bytes | None  # attributes that a forward pass may depend on

# an operator without a batched form is slower, but right
torch._C._functorch._set_vmap_fallback_warning_enabled(False)  # type: ignore[attr-defined]


class Engine(Protocol):
    """Computes the losses of R models, each on a batch of its own."""

    parameters: dict[str, Tensor]  # by name; of a model alone its own, else (R, ...)

    def losses(self, images: Tensor, labels: Tensor) -> Tensor:
        """(R, N, C, H, W) and (R, N) -> (R,); the gradients are in `parameters`."""

    def hand_out(self) -> None:
        """Put the gradients into the parameters of each model; None for a frozen or unused one, as alone."""


# Makes the engine for some models.
Build = Callable[[Sequence[nn.Module]], Engine]


def builder(autocast: torch.autocast, label_smoothing: float = 0.0, *, compiled: bool = False) -> Build:
    """How engines are built: in which precision, with which smoothing of labels, by torch.compile or not."""

    def build(models: Sequence[nn.Module]) -> Engine:
        if len(models) == 1:
            return Alone(models[0], autocast, label_smoothing, compiled)
        return Stacked(models, autocast, label_smoothing, compiled)

    return build


class Alone:
    """One model, by torch's autograd."""

    def __init__(
        self, model: nn.Module, autocast: torch.autocast, label_smoothing: float = 0.0, compiled: bool = False
    ) -> None:
        self.model, self.autocast, self.label_smoothing = model, autocast, label_smoothing
        self.parameters: dict[str, Tensor] = dict(model.named_parameters())
        self.forward = torch.compile(model) if compiled else model

    def losses(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of the one batch; its gradients are in the parameters."""
        [batch] = images
        self.model.zero_grad()
        with self.autocast:
            logits = self.forward(batch.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits, batch, labels[0], self.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach().view(1)

    def hand_out(self) -> None:
        """They are there."""


class Stacked:
    """R models of one shape: each parameter and buffer is one tensor (R, ...), and each model's own is a view of it.

    Raises RuntimeError for models that differ in more than parameters and buffers.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        autocast: torch.autocast,
        label_smoothing: float = 0.0,
        compiled: bool = False,
    ) -> None:
        for model in models[1:]:
            if where := differing(models[0], model):
                raise RuntimeError(f"the models differ outside their parameters and buffers, in {where}")
        self.models, self.autocast = [Learner(model) for model in models], autocast
        form, operations = copied(self.models[0]), StackedOperations(autocast.device)

        def loss(
            parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor, labels: Tensor
        ) -> tuple[Tensor, dict[str, Tensor]]:
            with operations:
                logits, replaced = functional_call(form, (parameters, buffers), (images,))
            return loss_of(logits, images, labels, label_smoothing), replaced

        # a module that draws random numbers as it trains, such as dropout, would draw others than alone: torch raises
        forward = vmap(loss, in_dims=(0, 0, 1, 0), randomness="error")
        self.forward = torch.compile(forward) if compiled else forward
        self.parameters = stacked(dict(model.named_parameters()) for model in self.models)
        self.buffers = stacked(dict(model.named_buffers()) for model in self.models)
        for place, model in enumerate(self.models):
            for name, parameter in model.named_parameters():
                parameter.data = self.parameters[name].detach()[place]
                self.parameters[name].requires_grad_(parameter.requires_grad)
            for name, buffer in model.named_buffers():
                buffer.data = self.buffers[name][place]

    def losses(self, images: Tensor, labels: Tensor) -> Tensor:
        """The losses of the R batches; the gradients are in the stacked parameters."""
        for parameter in self.parameters.values():
            parameter.grad = None
        with self.autocast:
            losses, replaced = self.forward(self.parameters, self.buffers, side_by_side(images), labels)
        # each loss depends on one model alone, so these are the gradients of each
        losses.sum().backward()  # type: ignore[no-untyped-call]
        for name, buffer in replaced.items():
            self.buffers[name].copy_(buffer.detach())
        return losses.detach()

    def hand_out(self) -> None:
        """Put views of the gradients into the parameters of each model; None for a frozen or unused one, as alone."""
        for place, model in enumerate(self.models):
            for parameter, whole in zip(model.parameters(), self.parameters.values(), strict=True):
                parameter.grad = None if whole.grad is None else whole.grad[place]


class Learner(nn.Module):
    """A model that also returns those of its buffers which its forward pass replaced instead of writing into them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits, and the replaced buffers by name."""
        before = dict(self.named_buffers())
        logits = self.model(images)
        return logits, {name: new for name, new in self.named_buffers() if new is not before.get(name)}


def loss_of(logits: Tensor, images: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy in the precision of the images, even where autocast has bf16 logits: 8 bits are too few to sum."""
    return cross_entropy(logits.to(images.dtype), labels, label_smoothing=label_smoothing)


def differing(ours: nn.Module, theirs: nn.Module) -> str:
    """The first attribute, as layer.name, by which two models may differ outside parameters and buffers; "" for none.

    Numbers and texts are compared. A tensor counts as different: it may be computed from parameters, or as the model
    trains.
    """
    for (layer, one), other in zip(ours.named_modules(), theirs.modules(), strict=True):
        for name in dict.fromkeys([*vars(one), *vars(other)]):
            pair = vars(one).get(name), vars(other).get(name)
            plain = [value for value in pair if isinstance(value, PLAIN)]
            if plain[:1] != plain[1:] or any(isinstance(value, Tensor) for value in pair):
                return f"{layer}.{name}".lstrip(".")
    return ""


def copied(model: nn.Module) -> nn.Module:
    """A copy of a model in training. torch copies no tensor that was computed from others, as weight_norm keeps one."""
    attributes = [value for layer in model.modules() for value in vars(layer).values()]
    computed = [one for one in attributes if isinstance(one, Tensor) and not one.is_leaf]
    return deepcopy(model, {id(one): one.detach() for one in computed}).train()


def stacked(states: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of several models by name, each (R, ...)."""
    first, *others = states
    return {name: stack([one.detach(), *(other[name].detach() for other in others)]) for name, one in first.items()}


def stack(tensors: Sequence[Tensor]) -> Tensor:
    """(R, ...), each tensor with the strides of the first; torch.stack would make all of them contiguous."""
    first = tensors[0]
    strides = torch.empty_like(first).stride()  # as those of the first, without gaps
    whole = first.new_empty_strided((len(tensors), *first.shape), (first.numel(), *strides))
    for place, tensor in enumerate(tensors):
        whole[place] = tensor
    return whole


def side_by_side(images: Tensor) -> Tensor:
    """(R, N, C, ...) -> (N, R, C, ...), with the channels of all runs last in memory, as R C channels of one image."""
    inner = [*range(3, images.ndim)]
    return images.permute(1, *inner, 0, 2).contiguous().movedim((-2, -1), (1, 2))
