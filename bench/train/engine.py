"""The engine: it computes losses and gradients for one training, or for several of one shape at once, as a pack.

A pack stacks the weights of its models and takes one step for all of them in one batched call: torch.func.vmap over any
module that draws no random numbers, batch norm and its running statistics included. Each training keeps its own order,
augmentation, optimizer, schedule, evaluation and end, so a pack differs from runs alone in the order of rounding only.

In: trainings. Out: how each of them ended. Touches: the device.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from copy import deepcopy
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from bench.train.stacked_operations import StackedOperations

TRIALS = 3  # of a step before it is captured
PLAIN = int | float | complex | str | bytes | None  # attributes that a forward pass may depend on

# an operator without a batched form is slower, but right
torch._C._functorch._set_vmap_fallback_warning_enabled(False)  # type: ignore[attr-defined]


class Batch(NamedTuple):
    """What one step trains on: images (N, C, H, W) in channels_last, labels (N,), and the smoothing of the labels."""

    images: Tensor
    labels: Tensor
    label_smoothing: float


# A training as a coroutine: it yields each batch, is sent the loss of it (a scalar on the device, with the gradients in
# the parameters of its model), and returns the status with which it ended.
Course = Generator[Batch, Tensor, str]


class Engine(Protocol):
    """Computes the losses of several models, each on a batch of its own."""

    def losses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The losses, scalars on the device; their gradients are in the parameters of the models."""


# Makes the engine for some models.
Build = Callable[[Sequence[nn.Module]], Engine]


def train(models: Sequence[nn.Module], courses: Sequence[Course], build: Build) -> list[str]:
    """Run the course of each model to its end, side by side; the status of each."""
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
        engine = build([models[place] for place in wanted])
        together = len(wanted)
        while len(wanted) == together:  # until one of them has ended: the others go on without it
            losses = engine.losses(list(wanted.values()))
            for place, loss in zip(list(wanted), losses, strict=True):
                advance(place, loss)
    return ended


def builder(autocast: torch.autocast, *, compiled: bool = False, graphed: bool = False) -> Build:
    """How engines are built: in which precision, by torch.compile or not, captured as a graph or not."""

    def build(models: Sequence[nn.Module]) -> Engine:
        alone = len(models) == 1
        engine = Alone(models[0], autocast, compiled) if alone else Stacked(models, autocast, compiled)
        return Graphed(engine, models) if graphed else engine

    return build


class Alone:
    """One model, by torch's autograd."""

    def __init__(self, model: nn.Module, autocast: torch.autocast, compiled: bool) -> None:
        self.model, self.autocast = model, autocast
        self.forward = torch.compile(model) if compiled else model

    def losses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The loss of the one batch; its gradients are in the parameters."""
        [batch] = batches
        self.model.zero_grad()
        with self.autocast:
            logits = self.forward(batch.images)
        loss = loss_of(logits, batch.images, batch.labels, batch.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return [loss.detach()]


class Stacked:
    """R models of one shape: each parameter and buffer is one tensor (R, ...), and each model's own is a view of it.

    Raises RuntimeError for models that differ in more than parameters and buffers.
    """

    def __init__(self, models: Sequence[nn.Module], autocast: torch.autocast, compiled: bool) -> None:
        self.models, self.autocast = [Learner(model) for model in models], autocast
        for model in models[1:]:
            if where := differing(models[0], model):
                raise RuntimeError(f"the models differ outside their parameters and buffers, in {where}")
        # a module that draws random numbers as it trains, such as dropout, would draw others than alone: torch raises
        forward = vmap(self._loss, in_dims=(0, 0, 1, 0, None), randomness="error")
        self.forward = torch.compile(forward) if compiled else forward
        self.form = copied(self.models[0])
        self.operations = StackedOperations(autocast.device)
        self.parameters = stacked(dict(model.named_parameters()) for model in self.models)
        self.buffers = stacked(dict(model.named_buffers()) for model in self.models)
        for place, model in enumerate(self.models):
            for name, parameter in model.named_parameters():
                parameter.data = self.parameters[name].detach()[place]
                self.parameters[name].requires_grad_(parameter.requires_grad)
            for name, buffer in model.named_buffers():
                buffer.data = self.buffers[name][place]

    def losses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The losses of the R batches; the gradients are in the parameters of each model."""
        images = side_by_side(torch.stack([batch.images for batch in batches]))
        labels = torch.stack([batch.labels for batch in batches])
        for parameter in self.parameters.values():
            parameter.grad = None
        with self.autocast:
            losses, replaced = self.forward(self.parameters, self.buffers, images, labels, batches[0].label_smoothing)
        # each loss depends on one model alone, so these are the gradients of each
        losses.sum().backward()  # type: ignore[no-untyped-call]
        for name, buffer in replaced.items():
            self.buffers[name].copy_(buffer.detach())
        for place, model in enumerate(self.models):
            for name, parameter in model.named_parameters():
                gradient = self.parameters[name].grad  # None for a frozen or unused parameter, as alone
                parameter.grad = None if gradient is None else gradient[place]
        return list(losses.detach())

    def _loss(
        self,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        images: Tensor,
        labels: Tensor,
        label_smoothing: float,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with self.operations:
            logits, replaced = functional_call(self.form, (parameters, buffers), (images,))
        return loss_of(logits, images, labels, label_smoothing), replaced


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


class Graphed:
    """An engine whose step is captured on a GPU and replayed from then on: one launch instead of hundreds.

    It copies each batch into its own tensors, and leaves losses and gradients where the capture put them.
    """

    def __init__(self, engine: Engine, models: Sequence[nn.Module], capture: "Capture | None" = None) -> None:
        self.engine, self.models, self.capture = engine, models, capture or on_gpu
        self.batches: list[Batch] = []

    def losses(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The losses of these batches, which are of the shape of the first."""
        if not self.batches:
            self._begin(batches)
        for captured, batch in zip(self.batches, batches, strict=True):
            captured.images.copy_(batch.images)
            captured.labels.copy_(batch.labels)
        self.replay()
        return [loss.clone() for loss in self.captured_losses]

    def _begin(self, batches: Sequence[Batch]) -> None:
        """Capture the step, and undo what its trials did to the running statistics."""
        self.batches = [Batch(batch.images.clone(), batch.labels.clone(), batch.label_smoothing) for batch in batches]
        statistics = [buffer for model in self.models for buffer in model.buffers()]
        before = [buffer.clone() for buffer in statistics]
        self.replay, self.captured_losses = self.capture(lambda: self.engine.losses(self.batches))
        for buffer, value in zip(statistics, before, strict=True):
            buffer.copy_(value)


# Takes a step that returns losses; gives a function that replays it, and the tensors that then hold its losses.
Capture = Callable[[Callable[[], list[Tensor]]], tuple[Callable[[], None], list[Tensor]]]


def on_gpu(step: Callable[[], list[Tensor]]) -> tuple[Callable[[], None], list[Tensor]]:
    """Capture a step on the GPU in use, after a few trials on a side stream, as torch asks for."""
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(TRIALS):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step()
    return graph.replay, losses


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
