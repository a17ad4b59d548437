"""Standard random numbers for weights: the only place where an initializer draws.

In: a tensor and a generator. Out: the tensor, filled in place. Touches: the tensors it is handed.
"""

import math

from torch import Generator, Tensor

BOUND = 2.0  # of the truncated normal law, in sigmas
INSIDE = math.erf(BOUND / math.sqrt(2))  # the share of a normal law within the bound


def normal(values: Tensor, generator: Generator) -> None:
    """N(0, 1)."""
    values.normal_(generator=generator)


def uniform(values: Tensor, generator: Generator) -> None:
    """U[0, 1)."""
    values.uniform_(generator=generator)


def truncated_normal(values: Tensor, generator: Generator) -> None:
    """N(0, 1) given |x| <= 2, by inversion: one uniform number per value, none rejected."""
    values.uniform_(-INSIDE, INSIDE, generator=generator).erfinv_().mul_(math.sqrt(2))
    values.clamp_(-BOUND, BOUND)  # on another CPU the inverse may round past the bound
