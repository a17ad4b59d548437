"""The arms over all blocks of a study: ranks, interquartile means, the probability of improvement.

In: findings. Out: Ranks, Aggregates, Estimates. Touches: nothing.

A run's score is its test accuracy on a scale from 0 at chance to 1 at no error. A run below chance has 0, and so has a
run that diverged: it is never dropped. Failed and preempted runs have none. Arms are compared over the blocks in which
each of them has a score, so that no arm is judged by easier blocks than another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bench.report.analysis.arms import accuracy, chance, generator
from bench.report.analysis.finding import Finding
from bench.report.analysis.rules import ALPHA
from bench.report.statistics import Array, Estimate, aggregates, ranks
from bench.schema import DIVERGED, OK, Row

Scores = dict[str, list[Array]]  # by arm: one array (runs,) per block


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over blocks by arm, the best first, and Nemenyi's p of each pair of arms, the better one first.

    `statistic` and `p` are Friedman's. Mean ranks that lie within `critical_difference` do not differ at `alpha`:
    `groups` are the largest such sets of arms, the best first.
    """

    mean_ranks: dict[str, float]
    blocks: int
    statistic: float
    p: float
    critical_difference: float
    alpha: float
    groups: tuple[tuple[str, ...], ...]
    pairs: dict[tuple[str, str], float]


@dataclass(frozen=True)
class Aggregate:
    """The scores (0..1) of an arm over all blocks: interquartile mean and mean gap to no error, with intervals."""

    name: str
    blocks: int
    runs: int
    iqm: Estimate
    optimality_gap: Estimate


def scores(findings: Sequence[Finding]) -> Scores:
    """The scores of every arm in every block that has runs of all arms, arms sorted by name; empty without such."""
    names = sorted({one.name for finding in findings for one in finding.arms})
    found: Scores = {name: [] for name in names}
    for finding in findings:
        block = {one.name: _scores(one.rows) for one in finding.arms}
        if len(block) == len(names) and all(one.size for one in block.values()):
            for name, one in block.items():
                found[name].append(one)
    return found if found[names[0]] else {}


def _scores(rows: Sequence[Row]) -> Array:
    guess = chance(rows)
    reached = [0.0 if row.status == DIVERGED else accuracy(row) - guess for row in rows if row.status in (OK, DIVERGED)]
    return np.asarray(np.maximum(np.array(reached), 0.0) / (1 - guess))


def ranking(found: Scores) -> Ranks | None:
    """Arms ranked by mean score in each block; None for fewer than two arms or blocks."""
    arms = list(found)
    if len(arms) < 2 or len(found[arms[0]]) < 2:
        return None
    means = np.array([[block.mean() for block in found[arm]] for arm in arms]).T
    test = ranks.friedman(means)
    distance = ranks.critical_difference(len(arms), test.blocks, ALPHA)
    p = ranks.nemenyi(test.mean_ranks, test.blocks)
    order = [int(one) for one in np.argsort(test.mean_ranks, kind="stable")]
    return Ranks(
        mean_ranks={arms[one]: float(test.mean_ranks[one]) for one in order},
        blocks=test.blocks,
        statistic=test.statistic,
        p=test.p,
        critical_difference=distance,
        alpha=ALPHA,
        groups=tuple(tuple(arms[one] for one in group) for group in ranks.groups(test.mean_ranks, distance)),
        pairs={(arms[one], arms[other]): float(p[one, other]) for one, other in combinations(order, 2)},
    )


def aggregated(found: Scores) -> list[Aggregate]:
    """The aggregates of each arm, the best interquartile mean first."""
    each = [
        Aggregate(
            name,
            len(blocks),
            sum(block.size for block in blocks),
            aggregates.aggregate(aggregates.iqm, blocks, generator()),
            aggregates.aggregate(aggregates.optimality_gap, blocks, generator()),
        )
        for name, blocks in found.items()
    ]
    return sorted(each, key=lambda one: -one.iqm.value)


def improvement(found: Scores) -> dict[tuple[str, str], Estimate]:
    """How probably a run of the first arm beats one of the second in the same block, for each ordered pair of arms."""
    probabilities = {}
    for ours, theirs in combinations(found, 2):
        one = aggregates.probability_of_improvement(found[ours], found[theirs], generator())
        low, high = (None if share is None else 1 - share for share in (one.high, one.low))
        probabilities[ours, theirs] = one
        probabilities[theirs, ours] = replace(one, value=1 - one.value, low=low, high=high)
    return probabilities
