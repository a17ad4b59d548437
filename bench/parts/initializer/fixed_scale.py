"""Weights whose scale does not depend on a layer's fan: the laws of old frameworks, and negative controls.

In: a weight and a generator. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import math

from torch import Generator, Tensor

from bench.parts.gain import number
from bench.parts.initializer import streams
from bench.parts.initializer.layers import independent, law
from bench.parts.initializer.streams import Draw
from bench.schema import UserError


@law
def constant(weight: Tensor, generator: Generator, *, value: float) -> None:
    """Set w = value, without a draw: all units of a layer are the same and stay so (Keras Constant, torch constant_).

    Raises UserError for a value that is not finite.
    """
    if not math.isfinite(value):
        raise UserError(f"a weight of {value} is not finite; give a number such as 0.0")
    weight.fill_(value)


@independent
def uniform(weight: Tensor, *, low: float, high: float) -> Draw:
    """Draw w ~ U[low, high), of mean (low + high) / 2.

    Raises UserError where low is not below high, or one is not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"U[{low}, {high}) is not a uniform law; give two finite numbers, low below high")
    return streams.uniform_draw(low, high)


@independent
def normal(weight: Tensor, *, std: float) -> Draw:
    """Draw w ~ N(0, std²). Raises UserError for a std that is negative or not finite."""
    return streams.normal_draw(number(std, "std"))


@independent
def truncated_normal(weight: Tensor, *, std: float) -> Draw:
    """Draw w ~ N(0, std²) given |w| <= 2 std, which leaves 0.7737 of the variance.

    Raises UserError for a std that is negative or not finite.
    """
    return streams.truncated_normal_draw(number(std, "std"))
