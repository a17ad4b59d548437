"""How many seeds an effect needs, and how much of the spread comes from each kind of seed.

In: numbers. Out: numbers, or a Variance. Touches: nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import nctdtr, ndtr, ndtri, stdtr, stdtrit

from bench.report.statistics.rates import rate_equivalence

MOST = 1_000_000  # seeds; more are never trained
SPREADS = (-12.0, 6.0)  # logarithms of a standard deviation over a margin, between which one is sought
EXACT = 150  # runs, up to which tables are counted


@dataclass(frozen=True)
class Variance:
    """Components of the variance of a single run, in the squared unit of the values; the sum is `total`.

    `initialization` and `order` may come out below 0 by chance, which is reported as it is: clipping would bias it.
    """

    initialization: float
    order: float
    rest: float

    @property
    def total(self) -> float:
        """The variance of a run whose both seeds are drawn."""
        return self.initialization + self.order + self.rest


def power(effect: float, sd: float, n: int, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t test of n pairs finds a mean difference of `effect`.

    `sd` is that of a paired difference, in the unit of `effect`. Noncentral t. Raises ValueError for n below 2, an
    effect or sd that is not above 0, or an alpha outside (0, 1).
    """
    _check(effect, sd, n, alpha)
    shift, critical = effect / sd * math.sqrt(n), float(stdtrit(n - 1, 1 - alpha / 2))
    return _above(shift, n, critical) + _above(-shift, n, critical)


def equivalence_power(margin: float, sd: float, n: int, alpha: float = 0.05) -> float:
    """The chance, at least, that two one-sided paired t tests of n pairs show equivalence where the means are equal.

    `sd` is that of a paired difference, in the unit of `margin`. By the union bound over both sides, which is close
    where the chance is large. Raises ValueError as `power` does.
    """
    _check(margin, sd, n, alpha)
    one_side = _above(margin / sd * math.sqrt(n), n, float(stdtrit(n - 1, 1 - alpha)))
    return max(0.0, 2 * one_side - 1)


def _above(shift: float, n: int, critical: float) -> float:
    """The chance that noncentral t of n pairs lies above `critical`; by the normal law where scipy has no number."""
    below = float(nctdtr(n - 1, shift, critical))
    return 1 - below if math.isfinite(below) else float(ndtr(shift - critical))


def chance_to_decide(
    difference: float, reach: float, n: int, last: int, margin: float, alpha: float, close_alpha: float
) -> float:
    """The chance that tests of `last` pairs show a difference at `alpha` or equivalence at `close_alpha`.

    The mean of the first n pairs is `difference`, and its 95 % interval reaches as far as `reach` to each side. The
    mean of all is predicted from it, with a flat prior and normal differences of the spread seen. Raises ValueError
    unless reach is above 0 and 2 <= n < last.
    """
    if not reach > 0 or not 2 <= n < last:
        raise ValueError(f"a chance to decide takes a reach above 0 and 2 <= n < last, not {reach}, {n} and {last}")
    sd = reach * math.sqrt(n) / float(stdtrit(n - 1, 0.975))
    error, spread = sd / math.sqrt(last), sd * math.sqrt(1 / n - 1 / last)
    found = error * float(stdtrit(last - 1, 1 - alpha / 2))
    close = min(found, max(0.0, margin - error * float(stdtrit(last - 1, 1 - close_alpha))))

    def below(mean: float) -> float:
        return float(stdtr(n - 1, (mean - difference) / spread))

    return below(-found) + 1 - below(found) + below(close) - below(-close)


def seeds_needed(effect: float, sd: float, alpha: float = 0.05, wanted: float = 0.8) -> int | None:
    """The fewest pairs with which the paired t test finds `effect` with a chance of at least `wanted`.

    None where a million would not do. Raises ValueError as `power` does, and for a chance outside (0, 1).
    """
    return _fewest(lambda n: power(effect, sd, n, alpha), wanted)


def seeds_for_equivalence(margin: float, sd: float, alpha: float = 0.05, wanted: float = 0.8) -> int | None:
    """The fewest pairs with which equal means are shown to be equivalent with a chance of at least `wanted`.

    None where a million would not do. Raises ValueError as `seeds_needed` does.
    """
    return _fewest(lambda n: equivalence_power(margin, sd, n, alpha), wanted)


def largest_spread(margin: float, n: int, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """The largest standard deviation of a paired difference, in the unit of `margin`, at which n pairs decide.

    They decide where the chance is at least `wanted` to find a difference of `margin` by one of two tests that share
    `alpha`, and to show equal means to be equivalent. Raises ValueError as `power` does.
    """

    def lacking(logarithm: float) -> float:
        sd = margin * math.exp(logarithm)
        return min(power(margin, sd, n, alpha / 2), equivalence_power(margin, sd, n, alpha)) - wanted

    return margin * math.exp(brentq(lacking, *SPREADS)) if lacking(SPREADS[0]) > 0 else 0.0


@cache
def seeds_for_rate(margin: float, alpha: float = 0.05) -> int:
    """The fewest runs of each arm with which a difference of `margin` in rate is excluded where no run fails.

    By the normal law where that is more than EXACT. Raises ValueError for a margin outside (0, 1).
    """
    about = math.ceil(float(ndtri(alpha)) ** 2 * (1 - margin) / margin) if 0 < margin < 1 else 0
    exact = _fewest(lambda n: float(rate_equivalence(n, n, n, n, margin) < alpha), 0.5) if about <= EXACT else None
    return exact or about


def _fewest(chance: Callable[[int], float], wanted: float) -> int | None:
    if not 0 < wanted < 1:
        raise ValueError(f"a chance lies between 0 and 1, such as 0.8; it is not {wanted}")
    low, high = 1, 2
    while chance(high) < wanted:
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if chance(middle) < wanted else (low, middle)
    return high


def _check(effect: float, sd: float, n: int, alpha: float) -> None:
    if n < 2 or not effect > 0 or not sd > 0 or not 0 < alpha < 1:
        raise ValueError(
            f"power needs n >= 2, effect and sd above 0, alpha in (0, 1), not {n}, {effect}, {sd}, {alpha}"
        )


def variance(values: ArrayLike) -> Variance:
    """The components of `values` (initializations, orders), one run for each crossing of the two kinds of seeds.

    Two-way random effects without replication, by the method of moments (Searle, Casella & McCulloch 1992, chapter 4).
    `rest` holds their interaction and whatever else differs between runs. Raises ValueError for a table with fewer than
    two of either, or with a number that is not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"a decomposition needs finite numbers, two seeds or more of each kind, not {table.tolist()}")
    lines, columns = table.shape
    left, top, center = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True), table.mean()
    rest = float(((table - left - top + center) ** 2).sum()) / ((lines - 1) * (columns - 1))
    initialization = (columns * float(((left - center) ** 2).sum()) / (lines - 1) - rest) / columns
    order = (lines * float(((top - center) ** 2).sum()) / (columns - 1) - rest) / lines
    return Variance(initialization, order, rest)
