"""Mirrored weights, with which a plain relu net starts as a linear map.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import functools

import torch
from torch import Generator, Tensor, nn

from bench.parts.initializer.fans import Layer
from bench.parts.initializer.layers import draw, layers, restart_others
from bench.parts.initializer.norms import refuse_standardized
from bench.parts.initializer.orthogonal import orthogonal
from bench.registry import initializer
from bench.schema import Unfit


@initializer
def looks_linear(model: nn.Module, generator: Generator, batch: object) -> None:
    """Draw [W, -W; -W, W], W orthogonal: of relu([h; -h]) the next layer sees h again (Balduzzi et al. 2017).

    The first layer is [W; -W], the last one [W, -W]; biases are 0. Assumed: relu, layers in a chain, pooling that is
    linear, no normalization but one that treats a channel as its mirror; then the net is a linear map, whose matrices
    keep norms. A shortcut breaks the mirror: a residual net starts balanced, but not linear.
    Raises Unfit for grouped convolutions and for a number of channels, between layers, that is odd.
    """
    chain = list(layers(model))
    refuse_standardized(chain, "looks_linear")
    for layer in chain:
        _refuse_unpaired(layer, first=layer is chain[0], last=layer is chain[-1])
    restart_others(model)
    for layer in chain:
        mirrored = functools.partial(_mirrored, down=layer is not chain[-1], across=layer is not chain[0])
        draw(layer.weight, mirrored, generator)


def _mirrored(weight: Tensor, generator: Generator, down: bool, across: bool) -> None:
    rows, columns = (size // (1 + halved) for size, halved in zip(weight.shape, (down, across), strict=False))
    half = torch.empty(rows, columns, *weight.shape[2:])
    orthogonal(half, generator, gain=1.0)
    wide = torch.cat([half, -half], 1) if across else half
    weight.copy_(torch.cat([wide, -wide]) if down else wide)


def _refuse_unpaired(layer: Layer, first: bool, last: bool) -> None:
    c_out, c_in = layer.weight.shape[:2]
    if getattr(layer, "groups", 1) > 1:
        sentence = "looks-linear mirrors the channels of a layer, and groups would split them; take another model"
        raise Unfit("a convolution has groups, which split the channels that it mirrors", sentence)
    if (not first and c_in % 2) or (not last and c_out % 2):
        sentence = (
            f"looks-linear pairs channels, and a layer here has {c_in} inputs and {c_out} outputs; make both even"
        )
        raise Unfit(f"it pairs channels, and a layer has {c_in} inputs and {c_out} outputs", sentence)
