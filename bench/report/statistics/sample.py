"""A checked sample, its standard error, and the dataclass of an estimate: the base of every statistic.

In: arrays of numbers. Out: arrays, or an Estimate. Touches: nothing.

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


def checked_level(level: float) -> float:
    """The level of an interval; ValueError unless it lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, such as {LEVEL}; it is not {level}")
    return level
