"""Schemes that pass a batch through the model and scale each layer by its output: LSUV and its relatives.

In: a model, a generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import torch
from torch import Generator, Tensor, nn

from bench.bounds import Natural, Positive
from bench.parts.dataset.tensors import Split
from bench.parts.initializer import streams
from bench.parts.initializer.fans import Layer
from bench.parts.initializer.layers import Law, layers
from bench.parts.initializer.norms import cancels_scale, refuse_standardized
from bench.parts.initializer.orthogonal import orthogonal
from bench.parts.initializer.scheme import all_or_nothing, fill, given, measured
from bench.registry import initializer
from bench.schema import UserError

Adjust = Callable[[Layer, Tensor], None]


@initializer
@all_or_nothing
def lsuv(
    model: nn.Module, generator: Generator, batch: Split | None, *, tolerance: Positive, iterations: Natural
) -> None:
    """Draw orthonormal weights; layer by layer divide by the deviation of the output (Mishkin & Matas 2016).

    Ends for a layer when the variance over the whole output is within `tolerance` of 1, or after `iterations`. Biases
    stay 0. A layer that feeds a normalization, or whose output is constant, keeps its orthonormal weights.
    """
    refuse_standardized(layers(model), "lsuv")
    walk(
        model,
        generator,
        batch,
        partial(orthogonal, gain=1.0),
        partial(unit_variance, tolerance=tolerance, iterations=iterations),
    )


def unit_variance(layer: Layer, x: Tensor, *, tolerance: float, iterations: int) -> None:
    """Divide the weight by the deviation of the layer's output until its variance is within the tolerance of 1."""
    for _ in range(iterations):
        variance = layer.forward(x).var(correction=0)
        if variance == 0 or abs(variance - 1) <= tolerance:
            return
        layer.weight.div_(variance.sqrt())


@initializer
@all_or_nothing
def lsuv_port(
    model: nn.Module, generator: Generator, batch: Split | None, *, tolerance: Positive, iterations: Natural
) -> None:
    """LSUV as in its PyTorch port: the tolerance is for the deviation, and biases bring the mean to 0.

    A layer whose deviation is within `tolerance` of 1 from the start is unchanged, its mean too. The layers that are
    skipped are those of `lsuv`.
    """
    refuse_standardized(layers(model), "lsuv_port")
    walk(
        model,
        generator,
        batch,
        partial(orthogonal, gain=1.0),
        partial(unit_deviation, tolerance=tolerance, iterations=iterations),
    )


def unit_deviation(layer: Layer, x: Tensor, *, tolerance: float, iterations: int) -> None:
    """Divide the weight by the output's deviation and take the output's mean from the bias, until within tolerance."""
    for _ in range(iterations):
        deviation, mean = torch.std_mean(layer.forward(x), correction=0)
        if deviation == 0 or abs(deviation - 1) <= tolerance:
            return
        layer.weight.div_(deviation)
        if layer.bias is not None:
            layer.bias.sub_(mean / deviation)


@initializer
@all_or_nothing
def data_dependent_norm(model: nn.Module, generator: Generator, batch: Split | None) -> None:
    """Draw N(0, 1); layer by layer give every output channel deviation 1 and mean 0 on the batch.

    w = v / sigma and b = -mu / sigma with mu, sigma of the channel of v x (Salimans & Kingma 2016, eq. 6, where w is
    g v / |v|). Without a bias the mean stays. The within-layer step of Krähenbühl et al. 2016 is the same. The layers
    that are skipped are those of `lsuv`, with N(0, 1 / n_in) weights.
    """
    refuse_standardized(layers(model), "data_dependent_norm")
    walk(model, generator, batch, lecun, standard_channels)


def lecun(weight: Tensor, generator: Generator) -> None:
    """N(0, 1 / n_in): directions of about norm 1."""
    streams.normal(weight, generator)
    weight.div_(weight[0].numel() ** 0.5)


def standard_channels(layer: Layer, x: Tensor) -> None:
    """Give each output channel mean 0, if there are biases, and deviation 1, if it varies."""
    channels = layer.forward(x).movedim(-1 if isinstance(layer, nn.Linear) else 1, 0).flatten(1)
    deviation, mean = torch.std_mean(channels, dim=1, correction=0)
    deviation[deviation == 0] = 1
    layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.ndim - 1)))
    if layer.bias is not None:
        layer.bias.copy_(-mean / deviation)


@torch.no_grad()
def walk(model: nn.Module, generator: Generator, batch: Split | None, law: Law, adjust: Adjust) -> None:
    """Draw all weights by a law; then call `adjust(layer, its input)` for each layer that feeds no normalization.

    A layer is adjusted when the batch reaches it, before its output is passed on, so that each layer sees the output of
    adjusted layers: one forward pass adjusts them all. Raises UserError where the output of a layer is not finite.
    """
    images = given(batch, model).images
    fill(model, generator, law)
    with measured(model):
        left = {*layers(model)} - normalised(model, images)

        def visit(layer: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if layer not in left:
                return output
            if not output.isfinite().all():
                raise UserError(f"the batch makes an output of {layer} that is not finite; look at the images")
            left.remove(layer)
            adjust(layer, inputs[0])
            return layer.forward(inputs[0])

        with ExitStack() as hooks:
            for layer in left:
                hooks.enter_context(layer.register_forward_hook(visit))
            model(images)


def normalised(model: nn.Module, images: Tensor) -> set[Layer]:
    """The layers whose output goes directly into a normalization, which cancels their scale."""
    found: set[Layer] = set()
    latest: dict[str, object] = {}

    def remember(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        latest.update(layer=layer, output=output)

    def compare(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if latest and inputs[0] is latest["output"]:
            found.add(latest["layer"])  # type: ignore[arg-type]

    with ExitStack() as hooks:
        for layer in layers(model):
            hooks.enter_context(layer.register_forward_hook(remember))
        for norm in filter(cancels_scale, model.modules()):
            hooks.enter_context(norm.register_forward_pre_hook(compare))
        model(images)
    return found
