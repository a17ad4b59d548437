"""Paired differences, equivalence, and families of tests.

In: arrays of numbers. Out: a number, an array, or a Difference. Touches: nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from bench.report.statistics.intervals import mean
from bench.report.statistics.sample import LEVEL, Array, Estimate, finite, standard_error


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean paired difference; p (two-sided, of "the mean difference is 0") is None from a single pair."""

    p: float | None


def paired_difference(ours: ArrayLike, theirs: ArrayLike, level: float = LEVEL, resolution: float = 0.0) -> Difference:
    """Mean of ours - theirs, both (n,) and paired by position, with the interval and p-value of the paired t test.

    Where all differences are the same and resolution is 0, the t test claims certainty: p = 1 when they are all 0,
    p = 0 when they are not. That is a convention, not evidence: give a resolution.
    Raises ValueError for unequal lengths, no pairs, or a value that is not finite.
    """
    differences = _differences(ours, theirs)
    estimate = mean(differences, level, resolution)
    if estimate.n == 1:
        return Difference(estimate.value, None, None, 1, None)
    t = _ratio(estimate.value, float(standard_error(differences, resolution)))
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
    center, error = float(differences.mean()), float(standard_error(differences, resolution))
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


def _differences(ours: ArrayLike, theirs: ArrayLike) -> Array:
    left, right = finite(ours), finite(theirs)
    if left.size != right.size:
        raise ValueError(f"{left.size} values and {right.size} cannot be paired")
    return left - right


def _ratio(value: float, error: float) -> float:
    if error:
        return value / error
    return math.copysign(math.inf, value) if value else 0.0
