"""Intervals for a mean of few values: Student's t, the studentized bootstrap, BCa, and which of them is used when.

In: arrays of numbers, and a generator where something is drawn. Out: bounds. Touches: nothing.

The number of values alone decides the method, never the values: a rule that looks at them covers less often than each
of its branches. Student's t has its level on normal values and on values as skewed as accuracies over seeds
are, and is the shortest that does. The studentized bootstrap bears a longer tail too, but is a third longer at 5 values
and endless at 3; from 20 on it costs next to nothing. BCa is too short below 20. `python -m bench coverage` simulates
it; the rows are in results/coverage.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtrit

from bench.report.statistics.sample import LEVEL, Array, Estimate, checked_level, finite, standard_error

RESAMPLES = 1999  # so that (RESAMPLES + 1) * 0.025 is whole
MANY = 20  # values from which on the studentized bootstrap costs next to nothing

T, STUDENTIZED, BCA = "t", "studentized", "bca"

Bounds = tuple[Array, Array]  # low and high, both (k,), of k samples at once


def method(n: int) -> str:
    """The method that `interval` takes for a mean of n values."""
    return T if n < MANY else STUDENTIZED


def interval(values: ArrayLike, generator: Generator, level: float = LEVEL, resolution: float = 0.0) -> Estimate:
    """Mean of `values` (n,) with the interval of `method(n)`, in their unit; no interval from a single value.

    Only the bounds from 20 values on depend on the generator, and by some 3 % of their distance from the mean.
    Raises ValueError for no values, for one that is not finite, or for a level outside (0, 1).
    """
    sample = finite(values)
    return _estimate(sample, METHODS[method(sample.size)], level, resolution, generator)


def mean(values: ArrayLike, level: float = LEVEL, resolution: float = 0.0) -> Estimate:
    """Mean of `values` (n,) with Student's t interval (Student 1908), exact for normal values.

    Raises ValueError for no values, for one that is not finite, or for a level outside (0, 1).
    """
    return _estimate(finite(values), t_bounds, level, resolution)


def _estimate(sample: Array, bounds: Callable[..., Bounds], level: float, *arguments: Any) -> Estimate:
    if sample.size == 1:
        return Estimate(float(sample[0]), None, None, 1)
    low, high = bounds(sample[None], checked_level(level), *arguments)
    return Estimate(float(sample.mean()), float(low[0]), float(high[0]), sample.size)


def t_bounds(samples: Array, level: float, resolution: float = 0.0, generator: Generator | None = None) -> Bounds:
    """Student's t: the mean of each of the samples (k, n), plus and minus t(n - 1) standard errors."""
    centers = samples.mean(axis=1)
    reach = stdtrit(samples.shape[1] - 1, (1 + level) / 2) * standard_error(samples, resolution)
    return centers - reach, centers + reach


def studentized_bounds(samples: Array, level: float, resolution: float, generator: Generator) -> Bounds:
    """Bootstrap-t (Efron 1982; Hall 1988): the t statistics of resamples in the place of Student's law.

    `samples` (k, n) share their resamples. One that drew a single value n times has no spread and an endless t, so
    without a resolution bounds are infinite at n = 3. Where all values are equal the bounds are those of t.
    """
    n = samples.shape[1]
    centers, errors = samples.mean(axis=1), standard_error(samples, resolution)
    counts = resample(n, generator)
    means, seconds = _moments(samples - centers[:, None], counts)
    spread = np.sqrt(np.maximum(seconds - means**2, 0.0) * n / (n - 1))
    spread[:, counts.max(axis=1) == n] = 0.0  # exactly; the difference above leaves 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        t = means / (np.maximum(spread, resolution) / math.sqrt(n))
    t[np.isnan(t)] = 0.0  # the mean itself, drawn n times
    t.sort(axis=1)
    low, high = (_quantile(t, np.full(len(samples), share)) for share in ((1 - level) / 2, (1 + level) / 2))
    with np.errstate(invalid="ignore"):
        bounds = centers - high * errors, centers - low * errors
    equal = np.ptp(samples, axis=1) == 0
    return tuple(
        np.where(equal, flat, one) for flat, one in zip(t_bounds(samples, level, resolution), bounds, strict=True)
    )  # type: ignore[return-value]


def bca_bounds(samples: Array, level: float, resolution: float, generator: Generator) -> Bounds:
    """Bias-corrected and accelerated bootstrap (Efron 1987) of the mean of each of the samples (k, n).

    It has no standard deviation that a resolution could hold up. Samples share their resamples.
    """
    centers = samples.mean(axis=1)
    deviations = samples - centers[:, None]
    means = np.sort(_moments(deviations, resample(samples.shape[1], generator))[0], axis=1)
    below = ((means < 0).mean(axis=1) + (means <= 0).mean(axis=1)) / 2
    bias = ndtri(np.clip(below, 1 / (2 * RESAMPLES), 1 - 1 / (2 * RESAMPLES)))
    squares = (deviations**2).sum(axis=1)
    cubes = (deviations**3).sum(axis=1)
    acceleration = np.divide(cubes, 6 * squares**1.5, out=np.zeros_like(cubes), where=squares > 0)
    shifted = [bias + ndtri(share) for share in ((1 - level) / 2, (1 + level) / 2)]
    low, high = (_quantile(means, ndtr(bias + one / (1 - acceleration * one))) for one in shifted)
    return centers + low, centers + high


METHODS: dict[str, Callable[[Array, float, float, Generator], Bounds]] = {
    T: t_bounds,
    STUDENTIZED: studentized_bounds,
    BCA: bca_bounds,
}


def resample(n: int, generator: Generator, resamples: int = RESAMPLES) -> Array:
    """How often each of n values stands in each resample, (resamples, n); every line sums to n."""
    drawn = generator.integers(0, n, (resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * resamples).reshape(resamples, n).astype(np.float64)


def _moments(deviations: Array, counts: Array) -> tuple[Array, Array]:
    """First and second moment of each resample of each row, (k, resamples)."""
    n = deviations.shape[1]
    return deviations @ counts.T / n, deviations**2 @ counts.T / n


def _quantile(ordered: Array, shares: Array) -> Array:
    """The value below which a share (k,) of each row (k, m), sorted, lies: at rank share * (m + 1), interpolated."""
    m = ordered.shape[1]
    place = np.clip(shares * (m + 1) - 1, 0, m - 1)
    floor = np.minimum(place.astype(np.int64), m - 2)
    rows = np.arange(len(ordered))
    under, over = ordered[rows, floor], ordered[rows, floor + 1]
    rest = place - floor
    with np.errstate(invalid="ignore"):  # between an endless bound and a finite one there is nothing to interpolate
        between = under + rest * (over - under)
    return np.asarray(np.where(rest < 1e-9, under, np.where(rest > 1 - 1e-9, over, between)))
