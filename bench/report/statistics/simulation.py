"""How often an interval covers the true mean, by simulation on values of known shape.

In: a method, the number of runs, a shape, and a generator. Out: a Coverage. Touches: nothing.

Accuracies over seeds have their long tail towards bad seeds. Skewness 1 is more than that of most arms of
results/question, 2 about that of the worst of those that train.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from bench.report.statistics.intervals import METHODS
from bench.report.statistics.sample import Array

AT_ONCE = 200  # simulated studies that share their resamples
ASTRAY = 0.2  # of the runs of a bimodal shape
TRAINED, CHANCE, SEED_SD = 0.9, 0.1, 0.01  # accuracies of a bimodal shape, and the spread of each mode


@dataclass(frozen=True)
class Shape:
    """A law of the values of one run: `draw(generator, (k, n))` has NaN for a diverged run, which is in no mean."""

    law: str
    draw: Callable[[Generator, tuple[int, int]], Array]
    mean: float  # of the runs that do not diverge
    sd: float


@dataclass(frozen=True)
class Coverage:
    """How many of the `judged` simulated studies had the mean in their interval; those with one value have none.

    Widths are in standard deviations of the values, infinite where an interval has no end; `values` is the mean number
    of values in a mean.
    """

    covered: int
    judged: int
    mean_width: float
    median_width: float
    values: float


def _normal(generator: Generator, size: tuple[int, int]) -> Array:
    return generator.standard_normal(size)


def _log_normal(sigma: float) -> Callable[[Generator, tuple[int, int]], Array]:
    return lambda generator, size: -np.exp(sigma * generator.standard_normal(size))


def _bimodal(generator: Generator, size: tuple[int, int]) -> Array:
    astray = generator.random(size) < ASTRAY
    return np.where(astray, np.nan, TRAINED + SEED_SD * generator.standard_normal(size))


def _at_chance(generator: Generator, size: tuple[int, int]) -> Array:
    values = _bimodal(generator, size)
    return np.where(np.isnan(values), CHANCE + SEED_SD * generator.standard_normal(size), values)


def sigma_of(skewness: float) -> float:
    """The σ at which exp(σ z) has this skewness: (w + 2) √(w - 1) with w = exp(σ²), solved in closed form.

    With u = √(w - 1) it is u³ + 3 u = skewness, so u = 2 sinh(asinh(skewness / 2) / 3).
    """
    u = 2 * math.sinh(math.asinh(skewness / 2) / 3)
    return math.sqrt(math.log1p(u**2))


def _skewed(skewness: float) -> Shape:
    sigma = sigma_of(skewness)
    mean = math.exp(sigma**2 / 2)
    law = f"log-normal of skewness {skewness:g}, the long tail towards bad seeds"
    return Shape(law, _log_normal(sigma), -mean, mean * math.sqrt(math.expm1(sigma**2)))


SHAPES = {
    "normal": Shape("normal", _normal, 0.0, 1.0),
    "skewed": _skewed(1.0),
    "heavily_skewed": _skewed(2.0),
    "bimodal": Shape(f"{ASTRAY:.0%} of runs diverge and are in no mean, the others normal", _bimodal, TRAINED, SEED_SD),
    "bimodal_naive": Shape(
        f"{ASTRAY:.0%} of runs at chance and in the mean, whether they diverged or never trained",
        _at_chance,
        (1 - ASTRAY) * TRAINED + ASTRAY * CHANCE,
        math.hypot(SEED_SD, math.sqrt(ASTRAY * (1 - ASTRAY)) * (TRAINED - CHANCE)),
    ),
}


def coverage(method: str, n: int, shape: Shape, level: float, simulations: int, generator: Generator) -> Coverage:
    """Simulate `simulations` studies of n runs each and count the intervals of `method` at `level` that have the mean.

    Raises KeyError for a method that does not exist.
    """
    samples = shape.draw(generator, (simulations, n))
    there = (~np.isnan(samples)).sum(axis=1)
    widths, covered = [np.empty(0)], 0
    for size in range(2, n + 1):
        values = samples[there == size]
        values = values[~np.isnan(values)].reshape(-1, size)
        for start in range(0, len(values), AT_ONCE):
            low, high = METHODS[method](values[start : start + AT_ONCE], level, 0.0, generator)
            covered += int(((low <= shape.mean) & (shape.mean <= high)).sum())
            widths.append((high - low) / shape.sd)
    width = np.concatenate(widths)
    return Coverage(covered, width.size, float(width.mean()), float(np.median(width)), float(there.mean()))
