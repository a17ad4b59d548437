"""A checked sample, its standard error, and the dataclass of an estimate: the base of every statistic.

In: arrays of numbers. Out: arrays, a Spread, or an Estimate. Touches: nothing.

`resolution` is the step of the measuring scale, in the unit of the values (for an accuracy: one test image). The
standard deviation is never taken below it. Without it, a few seeds that agree by chance of rounding claim certainty:
two runs that both gain exactly one of 360 images would be a difference with p = 0. With resolution=0 the formulas are
the textbook's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LEVEL = 0.95  # of an interval, two-sided, by default


@dataclass(frozen=True)
class Estimate:
    """A number and its two-sided interval, in the unit of the values; no interval (None) from a single value."""

    value: float
    low: float | None
    high: float | None
    n: int

    def times(self, factor: float) -> "Estimate":
        """The same in another unit."""
        low, high = (None if bound is None else factor * bound for bound in (self.low, self.high))
        return Estimate(factor * self.value, low, high, self.n)


@dataclass(frozen=True)
class Spread:
    """The standard error of a mean, in the unit of the values, and its degrees of freedom."""

    size: float
    freedom: float


def finite(values: ArrayLike) -> Array:
    """The values (n,) as floats; ValueError for none, for more than one row, or for one that is not finite."""
    sample = np.asarray(values, dtype=np.float64)  # None becomes NaN here, and is refused with it
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"a statistic needs one row of finite numbers, at least one, not {sample.tolist()}")
    return sample


def standard_error(samples: Array, resolution: float = 0.0) -> Array:
    """Of the mean of each row of `samples` (..., n): their standard deviation, at least `resolution`, over sqrt(n)."""
    spread = np.maximum(samples.std(axis=-1, ddof=1), resolution)
    return np.asarray(spread / math.sqrt(samples.shape[-1]))


def spread_of(values: Array, resolution: float = 0.0) -> Spread | None:
    """The standard error of the mean of values (n,) or of answers (n, images); None from a single one.

    Runs and images are crossed random effects (Cornfield & Tukey 1956): the variance of the mean is that of other runs,
    plus what the images differ by beyond the noise of single answers, with Satterthwaite's (1946) degrees of freedom.
    Raises ValueError for no values, or for one that is not finite.
    """
    if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
        raise ValueError(f"a statistic needs finite numbers, at least one, not {values.tolist()}")
    runs = values if values.ndim == 1 else values.mean(axis=1)
    if len(runs) == 1:
        return None
    size, freedom = float(standard_error(runs, resolution)), len(runs) - 1.0
    if values.ndim == 1 or values.shape[1] == 1:
        return Spread(size, freedom)
    return _crossed(values, size)


def _crossed(values: Array, of_runs: float) -> Spread:
    n, images = values.shape
    by_image = values.mean(axis=0)
    left = values - values.mean(axis=1, keepdims=True) - by_image + values.mean()
    # each divided by n * images: the parts of the variance of the mean
    run, image = of_runs**2, float(by_image.var(ddof=1)) / images
    rest = float((left**2).sum()) / ((n - 1) * (images - 1)) / (n * images)
    if image <= rest:
        return Spread(of_runs, n - 1.0)
    variance = run + image - rest
    freedom = variance**2 / (run**2 / (n - 1) + image**2 / (images - 1) + rest**2 / ((n - 1) * (images - 1)))
    return Spread(math.sqrt(variance), freedom)


def checked_level(level: float) -> float:
    """The level of an interval; ValueError unless it lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, such as {LEVEL}; it is not {level}")
    return level
