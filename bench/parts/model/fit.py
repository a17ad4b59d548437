"""The first and the last layer of a model fitted to the images and the classes of a run, and one step tried on it.

In: a model, a shape, a number of classes. Out: what is to be fitted, or a sentence on why the model cannot train.
Touches: nothing; a copy of the model is called.
"""

import copy
import inspect
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parameter import is_lazy

from bench.parts.initializer.fans import Layer
from bench.parts.model.layer import Shape
from bench.schema import UserError
from bench.source import explained, place

IMAGES = 2  # of the step that is tried; normalizations need two
CONTIGUOUS = "images and weights are contiguous: its code fails where channels come last in memory, as view() does"


@dataclass(frozen=True)
class Fit:
    """A new number of inputs (of the first layer) or outputs (of the last) for the layer of this name."""

    layer: str
    side: str  # in or out
    count: int
    before: int

    @property
    def remark(self) -> str:
        """What was done, in words."""
        what = "inputs, as the images have" if self.side == "in" else "outputs, one for each class"
        return f"the layer {self.layer} was fitted: {self.count} in the place of {self.before} {what}"

    @torch.no_grad()
    def apply(self, model: nn.Module) -> None:
        """Give the layer a new weight of this size, drawn by the layer's own reset; its bias goes with the outputs."""
        layer: Any = model.get_submodule(self.layer)
        kind = "features" if isinstance(layer, nn.Linear) else "channels"
        setattr(layer, f"{self.side}_{kind}", self.count)
        shape = list(layer.weight.shape)
        shape[self.side == "in"] = self.count
        layer.weight = nn.Parameter(layer.weight.new_empty(shape))
        if layer.bias is not None and self.side == "out":
            layer.bias = nn.Parameter(layer.bias.new_empty(self.count))
        layer.reset_parameters()


class Fitted(NamedTuple):
    """What is fitted of a model, and whether its images and weights must be contiguous, rather than channels_last."""

    fits: tuple[Fit, ...] = ()
    contiguous: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """All of it in words."""
        return (*(fit.remark for fit in self.fits), *[CONTIGUOUS] * self.contiguous)

    def apply(self, model: nn.Module, shape: Shape) -> nn.Module:
        """The model with all of it; lazy layers get their shape once the first layer has its own."""
        first, last = ([fit for fit in self.fits if fit.side == side] for side in ("in", "out"))
        for fit in first:
            fit.apply(model)
        if any(map(is_lazy, [*model.parameters(), *model.buffers()])):
            with torch.no_grad():
                model.eval()(torch.zeros(IMAGES, *shape))
            model.train()
        for fit in last:
            fit.apply(model)
        if self.contiguous:
            model.register_forward_pre_hook(_contiguous)
        return model


def _contiguous(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(one.contiguous() for one in inputs)


@dataclass
class Pass:
    """A forward pass: the layers that were called, each with the shape of its input, and the output or the error."""

    layers: list[tuple[str, Layer, torch.Size]]
    output: Any = None
    error: Exception | None = None


def forward(model: nn.Module, images: Tensor) -> Pass:
    """Call the model on images, in the mode that it is in."""
    found = Pass([])
    names = {module: name for name, module in model.named_modules() if isinstance(module, Layer)}

    def remember(layer: Layer, inputs: tuple[Tensor, ...]) -> None:
        found.layers.append((names[layer], layer, inputs[0].shape if inputs else torch.Size()))  # or given by keyword

    with ExitStack() as hooks:
        for layer in names:
            hooks.enter_context(layer.register_forward_pre_hook(remember))
        try:
            found.output = model(images)
        except Exception as error:  # of the model's own code
            found.error = error
    return found


def fit(name: str, model: nn.Module, shape: Shape, classes: int) -> Fitted:
    """What has to be fitted for the model to give (n, classes) of images (n, *shape).

    Raises UserError where that is not enough: two inputs, an output of another kind, an error in a pass.
    """
    _refuse_inputs(name, model)
    with explained(f"{name} cannot be copied"):
        trial = copy.deepcopy(model).eval()
    images = torch.randn(IMAGES, *shape, generator=torch.Generator().manual_seed(0))
    fits: list[Fit] = []
    with torch.no_grad():
        found = forward(trial, images)
        if stem := _stem(found):
            fits.append(stem)
            stem.apply(trial)
            found = forward(trial, images)
        _refuse_error(name, found.error, "the forward pass fails")
        if head := _head(found, classes):
            fits.append(head)
            head.apply(trial)
    last = copy.deepcopy(trial.train()).to(memory_format=torch.channels_last)
    try:
        _try_step(name, last, images.contiguous(memory_format=torch.channels_last), classes)
    except UserError:
        _try_step(name, trial, images, classes)
        return Fitted(tuple(fits), contiguous=True)
    return Fitted(tuple(fits))


def passes(model: nn.Module, images: Tensor) -> bool:
    """Whether the model takes these images, once its first layer is fitted."""
    with torch.no_grad():
        found = forward(model.eval(), images)
        if stem := _stem(found):
            stem.apply(model)
            found = forward(model, images)
    return found.error is None


def _stem(found: Pass) -> Fit | None:
    """The first layer, where it failed since the images have another number of channels, or of values once flat."""
    if found.error is None or len(found.layers) != 1:
        return None
    ((name, layer, seen),) = found.layers
    flat = isinstance(layer, nn.Linear)
    has, given = (layer.in_features, seen[-1]) if isinstance(layer, nn.Linear) else (layer.in_channels, seen[1])
    fits = has != given and len(seen) == (2 if flat else 4) and getattr(layer, "groups", 1) == 1
    return Fit(name, "in", given, has) if fits else None


def _head(found: Pass, classes: int) -> Fit | None:
    """The last layer, where the logits are as many as its outputs and not as many as the classes."""
    if not isinstance(found.output, Tensor) or found.output.ndim != 2 or found.output.shape[1] == classes:
        return None
    has = found.output.shape[1]
    for name, layer, _ in found.layers[-1:]:
        if len(layer.weight) == has and getattr(layer, "groups", 1) == 1:
            return Fit(name, "out", classes, has)
    return None


def _refuse_inputs(name: str, model: nn.Module) -> None:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # of a module in TorchScript, which no initializer fills
        return
    inputs = [one.name for one in parameters if one.kind in kinds and one.default is one.empty]
    keywords = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    if len(inputs) > 1 or keywords:
        raise UserError(f"{name} takes {' and '.join([*inputs, *keywords])}; a model here takes images alone")


def _refuse_error(name: str, error: Exception | None, what: str) -> None:
    if error is None:
        return
    if traceback.extract_tb(error.__traceback__)[-1].name == "embedding":
        raise UserError(
            f"{name} looks up its input in an embedding, which takes whole numbers, not images ({place(error)})"
        ) from error
    with explained(f"{name}: {what}"):
        raise error


def _try_step(name: str, model: nn.Module, images: Tensor, classes: int) -> None:
    """A forward and a backward pass as in training. Raises UserError where one fails, or gives other than logits."""
    found = forward(model, images)
    _refuse_error(name, found.error, "the forward pass fails in training")
    output = found.output
    if not isinstance(output, Tensor):
        raise UserError(
            f"{name} returns a {type(output).__name__}, and a model here returns one tensor of logits (n, {classes}); "
            "losses of its own and outputs beside the logits are not known here"
        )
    if output.shape != (len(images), classes) or not output.is_floating_point():
        raise UserError(
            f"{name} gives {output.dtype} of shape {tuple(output.shape)} for {len(images)} images, not logits of shape "
            f"{(len(images), classes)}, and its last layer cannot be fitted to that"
        )
    if not output.requires_grad:
        raise UserError(f"{name} gives logits that depend on no parameter that learns, as under torch.no_grad()")
    with explained(f"{name}: the backward pass fails"):
        cross_entropy(output, torch.zeros(len(images), dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]
