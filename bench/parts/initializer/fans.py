"""The fans of a layer, n_in and n_out, as its connections have them and as frameworks count them.

In: a layer. Out: two numbers, by way of a weight whose shape has them. Touches: nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Convention = Callable[[Layer], Tensor]  # the weight that a law counts the fans of; its shape alone matters


@dataclass(frozen=True)
class Origin:
    """What a layer stands for: a parameter of another module, such as the gates of an nn.LSTM."""

    module: nn.Module
    parameter: Tensor


def fans(weight: Tensor) -> tuple[int, int]:
    """(n_in, n_out) = (c_in k², c_out k²) of a weight (c_out, c_in, k, k), or (c_out, c_in) with k = 1."""
    c_out, c_in, *kernel = weight.shape
    area = math.prod(kernel)
    return c_in * area, c_out * area


def exact(layer: Layer) -> Tensor:
    """The connections: those of one group, one gate, one projection, and of a transposed layer from c_in to c_out."""
    groups = getattr(layer, "groups", 1)
    return layer.weight[: len(layer.weight) // groups] if groups > 1 else layer.weight


def torch(layer: Layer) -> Tensor:
    """The parameter as it is: the outputs of all groups, gates and projections; a transposed layer the wrong way."""
    origin = origin_of(layer)
    return layer.weight if origin is None else origin.parameter


def keras(layer: Layer) -> Tensor:
    """As torch, but a depthwise kernel (k, k, c_in, m) counts all its inputs, and attention each projection alone."""
    origin, groups = origin_of(layer), getattr(layer, "groups", 1)
    if origin and isinstance(origin.module, nn.MultiheadAttention):
        return layer.weight
    if groups > 1 and groups == layer.in_channels:
        return layer.weight.reshape(groups, -1, *layer.weight.shape[2:]).transpose(0, 1)
    return torch(layer)


def jax(layer: Layer) -> Tensor:
    """As torch for a convolution; one gate, one projection, and of a transposed layer from c_in to c_out."""
    return layer.weight


def paddle(layer: Layer) -> Tensor:
    """The inputs and outputs of all groups."""
    return layer.weight.repeat(1, getattr(layer, "groups", 1), *[1] * (layer.weight.dim() - 2))


def origin_of(layer: Layer) -> Origin | None:
    """What the layer stands for, or None where it is a layer of the model."""
    origin = layer.__dict__.get("origin")  # a user's layer may have another attribute of that name
    return origin if isinstance(origin, Origin) else None
