"""Intervals for a rate, such as that of divergence.

In: counts. Out: an Estimate. Touches: nothing.
"""

import math

from scipy.special import betaincinv, ndtri

from bench.report.statistics.sample import LEVEL, Estimate, checked_level


def wilson(count: int, total: int, level: float = LEVEL) -> Estimate:
    """The rate count / total with Wilson's score interval (Wilson 1927), sound at rates of 0 and 1 and at small totals.

    Raises ValueError unless 0 <= count <= total and total >= 1.
    """
    rate, z = _rate(count, total), float(ndtri((1 + checked_level(level)) / 2))
    center = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    low = center - reach if count else 0.0  # exact there; the formula leaves 1e-17
    high = center + reach if count < total else 1.0
    return Estimate(rate, low, high, total)


def jeffreys(count: int, total: int, level: float = LEVEL) -> Estimate:
    """The rate count / total with Jeffreys' interval: quantiles of Beta(count + 1/2, total - count + 1/2).

    It ends at 0 where nothing was counted and at 1 where everything was (Brown, Cai & DasGupta 2001). Shorter than
    Wilson's at the ends. Raises ValueError unless 0 <= count <= total and total >= 1.
    """
    rate, tail = _rate(count, total), (1 - checked_level(level)) / 2
    shape = count + 0.5, total - count + 0.5
    low = float(betaincinv(*shape, tail)) if count else 0.0
    high = float(betaincinv(*shape, 1 - tail)) if count < total else 1.0
    return Estimate(rate, low, high, total)


def _rate(count: int, total: int) -> float:
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is not a rate")
    return count / total
