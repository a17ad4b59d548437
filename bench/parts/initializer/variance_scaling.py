"""Weights of variance scale gain² / n, n a layer's fan: LeCun, Glorot, He, the laws of frameworks, and waves.

In: a weight, for its shape. Out: a draw of any part of it, or the waves. Touches: the tensors it is handed.
"""

import math

import torch
from torch import Generator, Tensor

from bench.parts.gain import number
from bench.parts.initializer import fans as conventions
from bench.parts.initializer import streams
from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import counted, independent, law
from bench.parts.initializer.streams import BOUND, INSIDE, Draw
from bench.registry import refuse_unknown
from bench.schema import UserError

DENSITY = math.exp(-(BOUND**2) / 2) / math.sqrt(2 * math.pi)  # of a normal law at the bound
TRUNCATED_STD = math.sqrt(1 - 2 * BOUND * DENSITY / INSIDE)  # of N(0, 1) after truncation: 0.8796


@independent
def variance_scaling(weight: Tensor, *, scale: float, gain: float | str, mode: str, distribution: str) -> Draw:
    """Draw w of mean 0 and standard deviation sigma = gain sqrt(scale / n).

    Mode: n is n_in, n_out, or their mean. Distribution: "normal"; "uniform" on ±sqrt(3) sigma; "truncated", a normal
    law cut at twice its own sigma, and wider, so that its deviation after the cut is sigma (Keras, JAX);
    "truncated_uncorrected", a normal law of that sigma cut at ±2 sigma, which leaves 0.7737 of the variance
    (TensorFlow 1). Raises UserError for another mode or distribution, a scale that is no variance, or a negative gain.
    """
    refuse_unknown("mode", mode, MODES)
    refuse_unknown("distribution", distribution, DISTRIBUTIONS)
    if not 0 < scale < math.inf:
        raise UserError(f"a variance of {scale} / n is not positive and finite; give a scale such as 1.0 or 2.0")
    return DISTRIBUTIONS[distribution](number(gain) * math.sqrt(scale / MODES[mode](*fans(weight))))


@independent
def he_leaky(weight: Tensor, *, slope: float, mode: str, distribution: str) -> Draw:
    """Draw w of variance 2 / ((1 + slope²) n): the gain of a leaky ReLU or a PReLU of that slope (He et al. 2015).

    Raises UserError for a slope that is not finite, and as variance_scaling does.
    """
    if not math.isfinite(slope):
        raise UserError(f"slope={slope} is not finite; give the activation's, such as 0.01")
    gain = math.sqrt(2 / (1 + slope**2))
    return variance_scaling.draw_of(weight, scale=1.0, gain=gain, mode=mode, distribution=distribution)


@law
def sinusoidal(weight: Tensor, generator: Generator, *, gain: float | str, mode: str) -> None:
    """Set w_ij = A sin(i (2 pi j / n_in + 2 pi / c_out)), unit i = 1..c_out, input j = 0..n_in - 1 (row-major).

    A makes the variance over the whole tensor (not within a unit) gain² / n, n as the mode says
    (Fernandez-Hernandez et al. 2025; their code divides by the mean of n_in and c_out). Where every wave is flat, as
    with one weight a unit, there is no variance to scale, and A is gain / sqrt(n).
    Raises UserError for another mode, or a gain that is negative or not finite.
    """
    refuse_unknown("mode", mode, MODES)
    n_in, n_out = fans(weight)
    units, inputs = torch.arange(1, len(weight) + 1).double(), torch.arange(n_in).double()
    waves = torch.sin(units[:, None] * (2 * math.pi * inputs / n_in + 2 * math.pi / len(weight)))
    spread = float(waves.std(correction=0))
    amplitude = number(gain) / math.sqrt(MODES[mode](n_in, n_out)) / (spread if spread > 1e-9 else 1)
    weight.copy_((amplitude * waves).reshape(weight.shape))


for convention in (conventions.torch, conventions.keras, conventions.jax, conventions.paddle):
    counted(variance_scaling, convention)
counted(he_leaky, conventions.torch)


def uniform(sigma: float) -> Draw:
    """Uniform on ±sqrt(3) sigma, so that sigma is its standard deviation."""
    bound = math.sqrt(3) * sigma
    return streams.uniform_draw(-bound, bound)


def truncated(sigma: float) -> Draw:
    """A normal law cut at twice its own sigma, of standard deviation sigma after the cut."""
    return streams.truncated_normal_draw(sigma / TRUNCATED_STD)


MODES = {
    "fan_in": lambda n_in, n_out: n_in,
    "fan_out": lambda n_in, n_out: n_out,
    "fan_avg": lambda n_in, n_out: (n_in + n_out) / 2,
}
DISTRIBUTIONS = {
    "normal": streams.normal_draw,
    "uniform": uniform,
    "truncated": truncated,
    "truncated_uncorrected": streams.truncated_normal_draw,
}
