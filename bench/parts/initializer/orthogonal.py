"""Weights with orthonormal rows or columns, and convolutions that keep the norm of their input by all their taps.

In: a weight and a generator. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor

from bench.parts.gain import number
from bench.parts.initializer import streams
from bench.parts.initializer.layers import law
from bench.schema import Unfit


@law
def orthogonal(weight: Tensor, generator: Generator, *, gain: float | str) -> None:
    """Draw gain x Q, Q uniform among the matrices (c_out, c_in k²) with orthonormal rows or columns (Saxe et al. 2014).

    Q comes from the QR decomposition of normal numbers; it is uniform once the diagonal of R is made positive.
    """
    streams.normal(weight, generator)
    drawn = weight.flatten(1)
    wide = drawn.shape[0] < drawn.shape[1]
    q, r = torch.linalg.qr(drawn.T if wide else drawn)
    q *= number(gain) * r.diagonal().sign()
    weight.copy_((q.T if wide else q).reshape(weight.shape))


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


def refuse_fewer_outputs(weight: Tensor, scheme: str) -> None:
    """Raise Unfit for a convolution with more inputs than outputs, which cannot keep the norm of all of them."""
    c_out, c_in = weight.shape[:2]
    if weight.dim() > 2 and c_in > c_out:
        sentence = (
            f"{scheme} needs at least as many outputs as inputs, and a convolution here has {c_in} inputs and {c_out} "
            "outputs; take a model without one (no resnet50: its bottlenecks narrow), or initializer=orthogonal"
        )
        raise Unfit(f"a convolution has {c_in} inputs and {c_out} outputs, which are fewer", sentence)
