"""Arms ranked in every block: Friedman's test, and which mean ranks differ by more than Nemenyi's critical difference.

In: a table of scores, blocks by arms. Out: Friedman, p-values, groups. Touches: nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from bench.report.statistics.sample import Array

POINTS = 4001  # of the integral below; more change the 12th digit


@dataclass(frozen=True, eq=False)
class Friedman:
    """Mean ranks (arms,), 1 the best; Friedman's chi-squared on arms - 1 degrees of freedom, and its p."""

    mean_ranks: Array
    blocks: int
    statistic: float
    p: float


def ranked(scores: ArrayLike) -> Array:
    """The rank of each arm in its block, (blocks, arms): 1 for the highest score, ties share their mean rank.

    Raises ValueError for a table of fewer than two blocks or arms, or with a score that is not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"ranks need finite scores of two blocks and two arms or more, not {table.tolist()}")
    above = (table[:, None, :] > table[:, :, None]).sum(axis=2)
    equal = (table[:, None, :] == table[:, :, None]).sum(axis=2)
    return np.asarray(above + (equal + 1) / 2)


def friedman(scores: ArrayLike) -> Friedman:
    """Whether the arms' ranks in `scores` (blocks, arms) differ, corrected for ties (Friedman 1937; Conover 1999).

    p is from chi-squared, which is rough below 10 blocks. Where all arms tie in all blocks, p is 1.
    Raises ValueError as `ranked` does.
    """
    ranks = ranked(scores)
    blocks, arms = ranks.shape
    spread = float(((ranks - (arms + 1) / 2) ** 2).sum()) / (blocks * (arms - 1))
    means = ranks.mean(axis=0)
    between = blocks * float(((means - (arms + 1) / 2) ** 2).sum())
    statistic = between / spread if spread else 0.0
    return Friedman(means, blocks, statistic, float(chdtrc(arms - 1, statistic)))


def nemenyi(mean_ranks: ArrayLike, blocks: int) -> Array:
    """p-values (arms, arms) of "these two mean ranks are equal", for all pairs at once (Nemenyi 1963).

    The diagonal is 1; ties are not corrected for. Raises ValueError for fewer than two arms or two blocks.
    """
    means = _ranks(mean_ranks, blocks)
    error = math.sqrt(means.size * (means.size + 1) / (12 * blocks))
    gaps = np.abs(means[:, None] - means) / error
    return np.array([[_range_survival(gap, means.size) if gap else 1.0 for gap in line] for line in gaps])


def critical_difference(arms: int, blocks: int, alpha: float = 0.05) -> float:
    """The least difference of two mean ranks that Nemenyi's test calls real (Demšar 2006, section 3.2.2), in ranks.

    Raises ValueError for fewer than two arms or two blocks, or an alpha outside (0, 1).
    """
    _ranks(np.arange(arms), blocks)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, such as 0.05; it is not {alpha}")
    low, high = 0.0, 50.0
    for _ in range(60):  # halves the interval to the last digit of a float
        middle = (low + high) / 2
        low, high = (middle, high) if _range_survival(middle, arms) > alpha else (low, middle)
    return high * math.sqrt(arms * (arms + 1) / (12 * blocks))


def groups(mean_ranks: ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """The largest sets of arms, as indices from the best, whose mean ranks lie within `difference`: bars of a diagram.

    An arm that differs from all others is in none.
    """
    means = np.asarray(mean_ranks, dtype=np.float64)
    order = np.argsort(means, kind="stable")
    found: list[tuple[int, ...]] = []
    for start in range(order.size):
        inside = tuple(int(arm) for arm in order[start:] if means[arm] - means[order[start]] <= difference)
        if len(inside) > 1 and not any(set(inside) <= set(other) for other in found):
            found.append(inside)
    return found


def _ranks(mean_ranks: ArrayLike | Sequence[float], blocks: int) -> Array:
    means = np.asarray(mean_ranks, dtype=np.float64)
    if means.ndim != 1 or means.size < 2 or blocks < 2:
        raise ValueError(f"mean ranks are compared for two arms and two blocks or more, not {means.size} and {blocks}")
    return means


def _range_survival(q: float, k: int) -> float:
    """P(range of k standard normals > q), the studentized range on endless degrees of freedom.

    1 - k ∫ φ(z) (Φ(z) - Φ(z - q))^(k - 1) dz over the place z of the largest.
    """
    z = np.linspace(-9.0, 9.0 + q, POINTS)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    inside = float(np.trapezoid(density * (ndtr(z) - ndtr(z - q)) ** (k - 1), z))
    return min(1.0, max(0.0, 1 - k * inside))
