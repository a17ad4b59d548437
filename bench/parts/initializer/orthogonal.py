"""Weights with orthonormal rows or columns.

In: a weight and a generator. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor

from bench.parts.gain import number
from bench.parts.initializer import streams
from bench.parts.initializer.layers import law


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
