"""A checked sample, its standard error, and the dataclass of an estimate: the base of every statistic.

In: arrays of numbers. Out: arrays, a StandardError, or an Estimate. Touches: nothing.

`resolution` is the step of the measuring scale, in the unit of the values (for an accuracy: one test image). The
standard deviation is never taken below it. Without it, a few seeds that agree by chance of rounding claim certainty:
two runs that both gain exactly one of 360 images would be a difference with p = 0. With resolution=0 the formulas are
the textbook's.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Array = NDArray[np.float64]
LEVEL = 0.95  # of an interval, two-sided, by default
SMALLEST = 1e-300  # a p-value; smaller ones are not distinguished
BISECTIONS = 50


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
class StandardError:
    """The error of a mean as standard errors with degrees of freedom, in the unit of the values.

    `runs`: of other runs on the same test images; `images`: what other images add to it.
    """

    runs: float
    freedom: float
    images: float = 0.0
    freedom_of_images: float = math.inf

    def reach(self, tail: float) -> float:
        """How far an interval reaches to each side that leaves out a chance of `tail` there, from above 0 to 0.5.

        The t intervals of both parts, joined by the root of their squares, cover at least as often as each of them does
        (Banerjee 1960). Satterthwaite's (1946) degrees of freedom do not: of three runs they reject ten times too often
        at a level of 0.2 %.
        """
        of_runs, of_images = (float(stdtrit(one, tail)) for one in (self.freedom, self.freedom_of_images))
        return math.hypot(self.runs * of_runs, self.images * of_images)

    def tail(self, distance: float) -> float:
        """The tail whose reach is this `distance`, the p of a one-sided test; above 0.5 for a distance below 0."""
        if distance < 0:
            return 1 - self.tail(-distance)
        size = math.hypot(self.runs, self.images)
        ratio = distance / size if size else math.inf if distance else 0.0
        ends = [float(stdtr(one, -ratio)) for one in (self.freedom, self.freedom_of_images)]
        return self._between(min(ends), max(ends), distance) if self.images else ends[0]

    def _between(self, low: float, high: float, distance: float) -> float:
        low, high = (math.log(max(end, SMALLEST)) for end in (low, high))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.reach(math.exp(middle)) > distance else (low, middle)
        return math.exp(high)


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


def error_of(values: Array, resolution: float = 0.0) -> StandardError | None:
    """The error of the mean of values (n,) or of answers (n, images); None from a single one.

    Runs and images are crossed random effects (Cornfield & Tukey 1956): the variance of the mean is that of other runs,
    plus what the images differ by beyond the noise of single answers. Raises ValueError for no values, or for one that
    is not finite.
    """
    if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
        raise ValueError(f"a statistic needs finite numbers, at least one, not {values.tolist()}")
    runs = values if values.ndim == 1 else values.mean(axis=1)
    if len(runs) == 1:
        return None
    of_runs = StandardError(float(standard_error(runs, resolution)), len(runs) - 1)
    if values.ndim == 1 or values.shape[1] == 1:
        return of_runs
    return replace(of_runs, images=_of_images(values), freedom_of_images=values.shape[1] - 1)


def _of_images(values: Array) -> float:
    n, images = values.shape
    by_image = values.mean(axis=0)
    rest = values - values.mean(axis=1, keepdims=True) - by_image + values.mean()
    noise = float((rest**2).sum()) / ((n - 1) * (images - 1)) / n  # in the mean of an image over the runs
    return math.sqrt(max(0.0, float(by_image.var(ddof=1)) - noise) / images)


def checked_level(level: float) -> float:
    """The level of an interval; ValueError unless it lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, such as {LEVEL}; it is not {level}")
    return level
