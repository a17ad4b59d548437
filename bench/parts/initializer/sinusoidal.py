"""Weights that are waves, one frequency a unit, without a draw.

In: a weight. Out: the weight, filled in place. Touches: the tensors it is handed.
"""

import math

import torch
from torch import Generator, Tensor

from bench.parts.gain import number
from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import law
from bench.parts.initializer.variance_scaling import MODES
from bench.registry import unknown
from bench.schema import UserError


@law
def sinusoidal(weight: Tensor, generator: Generator, *, gain: float | str, mode: str) -> None:
    """Set w_ij = A sin(i (2 pi j / n_in + 2 pi / c_out)), unit i = 1..c_out, input j = 0..n_in - 1 (row-major).

    A makes the variance over the whole tensor (not within a unit) gain² / n, n as the mode says
    (Fernandez-Hernandez et al. 2025; their code divides by the mean of n_in and c_out). Where every wave is flat, as
    with one weight a unit, there is no variance to scale, and A is gain / sqrt(n).
    Raises UserError for another mode, or a gain that is negative or not finite.
    """
    if mode not in MODES:
        raise UserError(unknown("mode", mode, MODES))
    n_in, n_out = fans(weight)
    units, inputs = torch.arange(1, len(weight) + 1).double(), torch.arange(n_in).double()
    waves = torch.sin(units[:, None] * (2 * math.pi * inputs / n_in + 2 * math.pi / len(weight)))
    spread = float(waves.std(correction=0))
    amplitude = number(gain) / math.sqrt(MODES[mode](n_in, n_out)) / (spread if spread > 1e-9 else 1)
    weight.copy_((amplitude * waves).reshape(weight.shape))
