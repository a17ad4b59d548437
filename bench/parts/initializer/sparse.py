"""Weights of which most are zero.

In: a weight and a generator. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor

from bench.bounds import Count
from bench.parts.gain import number
from bench.parts.initializer import streams
from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import law
from bench.schema import UserError


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
