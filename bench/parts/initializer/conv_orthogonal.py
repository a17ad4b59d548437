"""Convolutions that keep the norm of their input and use all taps of their kernel.

In: a weight and a generator. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor

from bench.parts.initializer import streams
from bench.parts.initializer.center import refuse_fewer_outputs
from bench.parts.initializer.layers import law
from bench.parts.initializer.orthogonal import orthogonal


@law
def conv_orthogonal(weight: Tensor, generator: Generator, *, gain: float | str) -> None:
    """Draw gain x an orthogonal kernel: norms are kept by a convolution of stride 1 with circular padding.

    An orthogonal 1x1 convolution is followed, for each further tap of each axis, by x -> P x + (1 - P) T x, P a random
    orthogonal projection and T a shift by one pixel; in two dimensions this is algorithm 1 of Xiao et al. 2018. A
    linear layer is orthogonal. Raises Unfit for a convolution with more inputs than outputs.
    """
    refuse_fewer_outputs(weight, "conv-orthogonal")
    first = torch.empty(weight.shape[:2])
    orthogonal(first, generator, gain=gain)
    kernel = torch.zeros(weight.shape)
    kernel.view(*first.shape, -1)[..., 0] = first
    for tap in range(1, max(weight.shape[2:], default=1)):
        for axis, size in enumerate(weight.shape[2:], start=2):
            if tap < size:
                kernel = _further(kernel, axis, generator)
    weight.copy_(kernel)


def _further(kernel: Tensor, axis: int, generator: Generator) -> Tensor:
    """P kernel + (1 - P) kernel shifted by one tap; the tap that is shifted out is zero."""
    kept = torch.einsum("oc,c...->o...", _projection(len(kernel), generator), kernel)
    return kept + (kernel - kept).roll(1, axis)


def _projection(size: int, generator: Generator) -> Tensor:
    """A symmetric projection on some columns of a random orthogonal matrix, each taken with probability 1/2."""
    basis, coins = torch.empty(size, size), torch.empty(size)
    orthogonal(basis, generator, gain=1.0)
    streams.uniform(coins, generator)
    taken = basis[:, coins < 0.5]
    return taken @ taken.T
