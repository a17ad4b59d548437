"""Rates such as that of training: the interval of one, and the difference of two with its exact tests.

In: counts. Out: Estimates and p-values. Touches: nothing.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri

from bench.report.statistics.sample import LEVEL, Array, Estimate, checked_level

GRID = 200  # values of the unknown rate at which a tail is summed, before the search goes on around the largest
TIE = 1e-9  # tables whose statistics differ by less (for Fisher's p: by less of it) are as extreme as each other


def wilson(count: int, total: int, level: float = LEVEL) -> Estimate:
    """The rate count / total with Wilson's score interval (Wilson 1927), sound at rates of 0 and 1 and at small totals.

    Raises ValueError unless 0 <= count <= total and total >= 1.
    """
    _check(count, total)
    rate, z = count / total, float(ndtri((1 + checked_level(level)) / 2))
    center = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    low = center - reach if count else 0.0  # exact there; the formula leaves 1e-17
    high = center + reach if count < total else 1.0
    return Estimate(rate, low, high, total)


def newcombe(ours: int, total: int, theirs: int, other_total: int, level: float = LEVEL) -> Estimate:
    """The difference of two rates with the interval that joins their Wilson intervals (Newcombe 1998, method 10).

    `n` is the smaller total. Raises ValueError as `wilson` does.
    """
    one, other = wilson(ours, total, level), wilson(theirs, other_total, level)
    difference = one.value - other.value + 0.0  # no -0.0
    low = difference - math.hypot(one.value - one.low, other.high - other.value)  # type: ignore[operator]
    high = difference + math.hypot(one.high - one.value, other.value - other.low)  # type: ignore[operator]
    return Estimate(difference, low, high, min(total, other_total))


@cache
def boschloo(ours: int, total: int, theirs: int, other_total: int) -> float:
    """p of "the two rates are equal": Boschloo's exact test (1970), two-sided as twice the smaller of both sides.

    Raises ValueError as `wilson` does.
    """
    return min(
        1.0, 2 * min(_not_larger(ours, total, theirs, other_total), _not_larger(theirs, other_total, ours, total))
    )


@cache
def rate_equivalence(ours: int, total: int, theirs: int, other_total: int, margin: float) -> float:
    """p of "the two rates differ by `margin` or more": small means that they are equivalent.

    The larger p of two one-sided exact tests, each with tables ordered by the score statistic of Farrington & Manning
    (1990) and summed at the rates, `margin` apart, that make the tail largest (Chan 1998). Raises ValueError as
    `wilson` does, and for a margin outside (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"the margin of a rate lies between 0 and 1, such as 0.1; it is not {margin}")
    return max(
        rate_below(ours, total, theirs, other_total, margin), rate_below(theirs, other_total, ours, total, margin)
    )


@cache
def rate_above(ours: int, total: int, theirs: int, other_total: int, bound: float = 0.0) -> float:
    """p of "ours exceeds theirs by `bound` or less", by the same exact tests: small means that it exceeds by more.

    With a bound of 0 it is Boschloo's one-sided test. Raises ValueError as `wilson` does, and for a bound outside
    (-1, 1).
    """
    if bound < 0:
        return rate_below(theirs, other_total, ours, total, -bound)
    _check(ours, total, theirs, other_total, bound)
    if bound == 0:
        return _not_larger(ours, total, theirs, other_total)
    scores = _scores(total, other_total, bound)
    return _largest(scores >= scores[ours, theirs] - TIE, lambda rate: (rate + bound, rate), 1 - bound)


@cache
def rate_below(ours: int, total: int, theirs: int, other_total: int, bound: float = 0.0) -> float:
    """p of "ours exceeds theirs by `bound` or more": small means that it exceeds by less.

    Raises ValueError as `rate_above` does.
    """
    if bound <= 0:
        return rate_above(theirs, other_total, ours, total, -bound)
    _check(ours, total, theirs, other_total, bound)
    scores = _scores(total, other_total, bound)
    return _largest(scores <= scores[ours, theirs] + TIE, lambda rate: (rate + bound, rate), 1 - bound)


def _not_larger(ours: int, total: int, theirs: int, other_total: int) -> float:
    """Boschloo's one-sided p of "ours is not larger than theirs".

    Fisher's p orders the tables, and the tail is summed at the common rate that makes it largest.
    """
    _check(ours, total, theirs, other_total)
    fisher = _fisher(other_total, total).T
    return _largest(fisher <= fisher[ours, theirs] * (1 + TIE), lambda rate: (rate, rate), 1.0)


def _fisher(total: int, other_total: int) -> Array:
    """Fisher's one-sided p that the first rate is lower, of every table (total + 1, other_total + 1)."""
    one, other = np.arange(total + 1)[:, None], np.arange(other_total + 1)
    chance = np.exp(
        _log_choose(total, one) + _log_choose(other_total, other) - _log_choose(total + other_total, one + other)
    )
    below = np.zeros_like(chance)
    for count in range(total + 1):  # tables of one sum lie on an antidiagonal
        below[count] = chance[count]
        if count:
            below[count, :-1] += below[count - 1, 1:]
    return below


def _scores(total: int, other_total: int, margin: float) -> Array:
    """The score of every table at a difference of `margin`: the lower, the more it speaks for a smaller difference."""
    one, other = np.meshgrid(np.arange(total + 1) / total, np.arange(other_total + 1) / other_total, indexing="ij")
    ratio = other_total / total  # the likeliest rates at that difference solve a cubic (Miettinen & Nurminen 1985)
    a, b = 1 + ratio, -(1 + ratio + one + ratio * other + margin * (ratio + 2))
    c, d = margin**2 + margin * (2 * one + ratio + 1) + one + ratio * other, -one * margin * (1 + margin)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0.0))
    angle = np.divide(v, u**3, out=np.zeros_like(v), where=u != 0)
    first = 2 * u * np.cos((math.pi + np.arccos(np.clip(angle, -1, 1))) / 3) - b / (3 * a)
    first = np.clip(first, margin, 1.0)
    second = np.clip(first - margin, 0.0, 1 - margin)
    error = np.sqrt(np.maximum(first * (1 - first) / total + second * (1 - second) / other_total, 1e-12))
    return np.asarray((one - other - margin) / error)


def _largest(tail: Array, rates: Callable[[Array], tuple[Array, Array]], most: float) -> float:
    """The largest chance of the tables in `tail`, over all rates from 0 to `most` of the second group."""
    inside = tail.astype(np.float64)
    low, high, best = 0.0, most, 0.0
    for _ in range(3):  # each search is GRID / 2 times as fine as the one before it
        grid = np.linspace(low, high, GRID + 1)
        one, other = rates(grid)
        left, right = _binomial(tail.shape[0] - 1, one), _binomial(tail.shape[1] - 1, other)
        # not by BLAS, whose threads wait for one another for milliseconds where other processes use the cores
        sums = (np.einsum("gi,ij->gj", left, inside) * right).sum(axis=1)
        place = int(sums.argmax())
        best = max(best, float(sums[place]))
        low, high = grid[max(place - 1, 0)], grid[min(place + 1, GRID)]
    return min(1.0, best)


def _binomial(total: int, rates: Array) -> Array:
    """The chance of each count (rates, total + 1)."""
    counts = np.arange(total + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(counts, counts * np.log(rates)[:, None], 0.0)
        powers += np.where(total - counts, (total - counts) * np.log1p(-rates)[:, None], 0.0)
    return np.exp(_log_choose(total, counts) + powers)


def _log_choose(total: int, count: NDArray[np.int64]) -> Array:
    return np.asarray(gammaln(total + 1) - gammaln(count + 1) - gammaln(total - count + 1))


def _check(count: int, total: int, other: int = 0, other_total: int = 1, bound: float = 0.0) -> None:
    for one, of in ((count, total), (other, other_total)):
        if not 0 <= one <= of or of < 1:
            raise ValueError(f"{one} of {of} is not a rate")
    if not -1 < bound < 1:
        raise ValueError(f"the difference of two rates lies between -1 and 1, such as 0.1; it is not {bound}")
