"""Weights whose scale does not depend on a layer's fan: the laws of old frameworks, and negative controls.

In: a weight and a generator. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import math

import torch
from torch import Generator, Tensor

from bench.bounds import Count
from bench.parts.gain import number
from bench.parts.initializer import streams
from bench.parts.initializer.fans import fans
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


@law
def sparse(weight: Tensor, generator: Generator, *, connections: Count, std: float) -> None:
    """Draw `connections` weights of each unit from N(0, std²), at places drawn uniformly; the others are 0.

    A unit with fewer inputs uses them all. (Martens 2010; torch's sparse_ thins out inputs instead of units.)
    Raises UserError for fewer than 1 connection, or a std that is negative or not finite.
    """
    if connections < 1:
        raise UserError(f"connections={connections} leaves no weight; give a whole number from 1, such as 15")
    order, values = torch.empty(len(weight), fans(weight)[0]), torch.empty(len(weight), fans(weight)[0])
    streams.uniform(order, generator)
    streams.normal(values, generator)
    places = order.topk(min(connections, order.shape[1])).indices
    kept = torch.zeros_like(values).scatter(1, places, values.gather(1, places))
    weight.copy_(kept.mul_(number(std, "std")).reshape(weight.shape))
