"""Paired differences, equivalence, and families of tests.

In: arrays of numbers. Out: a number, an array, or a Difference. Touches: nothing.

A sample is a row of values (n,), or the answers (n, images) of n runs on the same test images, whose mean is their
value. The error of the first is that of other runs; the error of the second is that of other runs on other images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from bench.report.statistics.sample import LEVEL, Array, Estimate, StandardError, checked_level, error_of, finite

FLIPS = 14  # values, beyond which the signs are drawn: 2^14 ways are counted in no time
DRAWN = 19_999


@dataclass(frozen=True)
class Difference:
    """A mean paired difference of `n` pairs, with its error; None from a single pair of values."""

    value: float
    n: int
    error: StandardError | None

    @property
    def p(self) -> float | None:
        """Of "the mean difference is 0", by the two-sided t test; None without an error."""
        if self.error is None:
            return None
        return 2 * self.error.tail(abs(self.value))

    def interval(self, level: float = LEVEL) -> Estimate:
        """The difference with its t interval; no interval without an error."""
        if self.error is None:
            return Estimate(self.value, None, None, self.n)
        reach = self.error.reach((1 - checked_level(level)) / 2)
        return Estimate(self.value, self.value - reach, self.value + reach, self.n)

    def equivalence(self, margin: float) -> float | None:
        """p of "the mean difference lies outside (-margin, margin)": small means equivalent; None without an error.

        Two one-sided t tests, the larger p of the two (TOST; Schuirmann 1987): below alpha where the interval at
        1 - 2 alpha lies within the margin. Raises ValueError for a margin that is not positive.
        """
        if not margin > 0:
            raise ValueError(f"equivalence needs a margin above 0, not {margin}")
        if self.error is None:
            return None
        return self.error.tail(margin - abs(self.value))


def paired_difference(ours: ArrayLike, theirs: ArrayLike, resolution: float = 0.0) -> Difference:
    """Mean of ours - theirs, both (n,) or both (n, images), paired by position.

    Where all differences are the same and resolution is 0, the t test claims certainty: p = 1 when they are all 0,
    p = 0 when they are not. That is a convention, not evidence: give a resolution.
    Raises ValueError for unequal shapes, no pairs, or a value that is not finite.
    """
    left, right = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"values of shape {left.shape} and {right.shape} cannot be paired")
    differences = left - right
    error = error_of(differences, resolution)
    return Difference(float(differences.mean()), len(differences), error)


def sign_flips(differences: ArrayLike, generator: Generator) -> float:
    """p of "the differences (n,) lie symmetrically about 0": the share of sign changes with as large a sum.

    Exact up to 14 values; beyond, the share among 20,000 drawn ones, the observed among them. It holds whatever the
    shape of the values, two modes included. Raises ValueError for no values, or for one that is not finite.
    """
    values = finite(differences)
    if values.size <= FLIPS:
        signs = 1 - 2 * ((np.arange(2**values.size)[:, None] >> np.arange(values.size)) & 1)
    else:
        signs = np.vstack([np.ones(values.size), generator.choice([-1, 1], (DRAWN, values.size))])
    sums = np.abs(signs @ values)
    return float((sums >= abs(values.sum()) - 1e-12 * np.abs(values).sum()).mean())  # equal but for rounding


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
