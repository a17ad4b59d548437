"""The statistics of a report, each a pure function that refuses NaN rather than pass it on.

In: arrays of numbers. Out: a number, an array, or a small dataclass. Touches: nothing.

`resolution` is the step of the measuring scale, in the unit of the values (for an accuracy: one test image). The
standard deviation is never taken below it. Without it, a few seeds that agree by luck of rounding claim certainty: two
runs that both gain exactly one of 360 images would be a difference with p = 0. With resolution=0 the formulas are the
textbook's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtr, stdtrit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and its two-sided interval, in the unit of the values; no interval (None) from a single value."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean paired difference; p (two-sided, of "the mean difference is 0") is None from a single pair."""

    p: float | None


def mean(values: ArrayLike, level: float = 0.95, resolution: float = 0.0) -> Estimate:
    """Mean of `values` (n,) with Student's t interval (Student 1908), exact for normal values.

    Raises ValueError for no values or for one that is not finite.
    """
    sample = _finite(values)
    center, n = float(sample.mean()), sample.size
    if n == 1:
        return Estimate(center, None, None, 1)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * _standard_error(sample, resolution)
    return Estimate(center, center - reach, center + reach, n)


def wilson(count: int, total: int, level: float = 0.95) -> Estimate:
    """The rate count / total with Wilson's score interval (Wilson 1927), sound at rates of 0 and 1 and at small totals.

    Raises ValueError unless 0 <= count <= total and total >= 1.
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is not a rate")
    rate, z = count / total, float(ndtri((1 + level) / 2))
    center = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    low = center - reach if count else 0.0  # exact there; the formula leaves 1e-17
    high = center + reach if count < total else 1.0
    return Estimate(rate, low, high, total)


def paired_difference(ours: ArrayLike, theirs: ArrayLike, level: float = 0.95, resolution: float = 0.0) -> Difference:
    """Mean of ours - theirs, both (n,) and paired by position, with the interval and p-value of the paired t test.

    Where all differences are the same and resolution is 0, the t test claims certainty: p = 1 when they are all 0,
    p = 0 when they are not. That is a convention, not evidence: give a resolution.
    Raises ValueError for unequal lengths, no pairs, or a value that is not finite.
    """
    differences = _differences(ours, theirs)
    estimate = mean(differences, level, resolution)
    if estimate.n == 1:
        return Difference(estimate.value, None, None, 1, None)
    t = _ratio(estimate.value, _standard_error(differences, resolution))
    p = min(1.0, 2 * float(stdtr(estimate.n - 1, -abs(t))))
    return Difference(estimate.value, estimate.low, estimate.high, estimate.n, p)


def equivalence(ours: ArrayLike, theirs: ArrayLike, margin: float, resolution: float = 0.0) -> float:
    """p-value of "the mean of ours - theirs, both (n,), lies outside (-margin, margin)": small means equivalent.

    Two one-sided paired t tests, the larger p of the two (TOST; Schuirmann 1987). `margin` is in the unit of the
    values. Raises ValueError for a margin that is not positive, fewer than two pairs, unequal lengths, or a value that
    is not finite.
    """
    differences = _differences(ours, theirs)
    if not margin > 0 or differences.size < 2:
        raise ValueError(f"equivalence needs a margin above 0 and two pairs, not {margin} and {differences.size}")
    center, error = float(differences.mean()), _standard_error(differences, resolution)
    nearest = min(_ratio(margin - center, error), _ratio(margin + center, error))
    return float(stdtr(differences.size - 1, -nearest))


def holm(p: ArrayLike) -> Array:
    """Adjusted p-values (m,) of a family of m tests, in the order given (Holm 1979).

    Rejecting those below alpha keeps the family-wise error at alpha, for tests that depend on each other in any way.
    Raises ValueError for a p outside [0, 1] or NaN.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values are numbers from 0 to 1 in one row, not {values.tolist()}")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _finite(values: ArrayLike) -> Array:
    sample = np.asarray(values, dtype=np.float64)  # None becomes NaN here, and is refused with it
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"a statistic needs one row of finite numbers, at least one, not {sample.tolist()}")
    return sample


def _differences(ours: ArrayLike, theirs: ArrayLike) -> Array:
    left, right = _finite(ours), _finite(theirs)
    if left.size != right.size:
        raise ValueError(f"{left.size} values and {right.size} cannot be paired")
    return left - right


def _standard_error(sample: Array, resolution: float) -> float:
    return max(float(sample.std(ddof=1)), resolution) / math.sqrt(sample.size)


def _ratio(value: float, error: float) -> float:
    if error:
        return value / error
    return math.copysign(math.inf, value) if value else 0.0
