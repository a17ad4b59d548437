"""Normalizations of a convolution's output: a new module at each call.

In: a number of channels. Out: a module. Touches: nothing.
"""

from torch import nn

from bench.registry import normalization


@normalization
def batch(channels: int) -> nn.Module:
    """Mean 0 and variance 1 per channel over the batch, then a learned scale and shift (Ioffe & Szegedy 2015)."""
    return nn.BatchNorm2d(channels)


@normalization
def none(channels: int) -> nn.Module:
    """No normalization; the models give their convolutions a bias instead."""
    return nn.Identity()
