"""The arms over all blocks of a study: ranks, interquartile means, profiles, the probability of improvement.

In: findings. Out: a Ranks, and DataFrames. Touches: nothing.

A run's score is its test accuracy on a scale from 0 at chance to 1 at no error. A run below chance has 0, and so has a
run that diverged: it is never dropped. Failed and preempted runs have none. Arms are compared over the blocks in which
each of them has a score, so that none is judged by easier blocks than another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.random import Generator

from bench.report.analysis.arms import accuracy
from bench.report.analysis.finding import Finding
from bench.report.statistics import Array, Estimate, aggregates, ranks
from bench.schema import DIVERGED, OK, Row

THRESHOLDS = np.linspace(0.0, 1.0, 101)
ALPHA = 0.05
PROFILE = ["initializer", "score", "share", "share_low", "share_high"]

Scores = dict[str, list[Array]]  # by arm: one array (runs,) per block


@dataclass(frozen=True, eq=False)
class Ranks:
    """Mean ranks over blocks. table: initializer, mean_rank, the best first; pairs: initializer, other, p (Nemenyi).

    `statistic` and `p` are Friedman's. Mean ranks that lie within `critical_difference` are not told apart at `alpha`:
    `groups` are the largest such sets of arms, the best first.
    """

    table: pd.DataFrame
    blocks: int
    statistic: float
    p: float
    critical_difference: float
    alpha: float
    groups: tuple[tuple[str, ...], ...]
    pairs: pd.DataFrame
    sentence: str


def scores(findings: Sequence[Finding]) -> Scores:
    """The scores of every arm in every block that has runs of all arms, arms sorted by name; empty without such."""
    arms = sorted({arm for finding in findings for arm in finding.block.arms})
    found: Scores = {arm: [] for arm in arms}
    for finding in findings:
        block = {arm: _scores(finding, finding.block.arms.get(arm, [])) for arm in arms}
        if all(one.size for one in block.values()):
            for arm, one in block.items():
                found[arm].append(one)
    return found if found[arms[0]] else {}


def _scores(finding: Finding, rows: Sequence[Row]) -> Array:
    chance = 1 / finding.classes if finding.classes else 0.0
    reached = [
        0.0 if row.status == DIVERGED else accuracy(row) - chance for row in rows if row.status in (OK, DIVERGED)
    ]
    return np.asarray(np.maximum(np.array(reached), 0.0) / (1 - chance))


def ranking(found: Scores) -> Ranks | None:
    """Arms ranked by mean score in each block; None for fewer than two arms or blocks."""
    arms = list(found)
    if len(arms) < 2 or len(found[arms[0]]) < 2:
        return None
    means = np.array([[block.mean() for block in found[arm]] for arm in arms]).T
    test = ranks.friedman(means)
    distance = ranks.critical_difference(len(arms), test.blocks, ALPHA)
    p = ranks.nemenyi(test.mean_ranks, test.blocks)
    order = np.argsort(test.mean_ranks, kind="stable")
    table = pd.DataFrame({"initializer": [arms[one] for one in order], "mean_rank": test.mean_ranks[order]})
    pairs = [(arms[one], arms[other], p[one, other]) for at, one in enumerate(order) for other in order[at + 1 :]]
    groups = tuple(tuple(arms[one] for one in group) for group in ranks.groups(test.mean_ranks, distance))
    return Ranks(
        table=table,
        blocks=test.blocks,
        statistic=test.statistic,
        p=test.p,
        critical_difference=distance,
        alpha=ALPHA,
        groups=groups,
        pairs=pd.DataFrame(pairs, columns=["initializer", "other", "p"]),
        sentence=_sentence(test, distance, table, int((pd.Series([one[2] for one in pairs]) < ALPHA).sum())),
    )


def _sentence(test: ranks.Friedman, distance: float, table: pd.DataFrame, different: int) -> str:
    best, worst = table.iloc[0], table.iloc[-1]
    verdict = "ranks differ" if test.p < ALPHA else "ranks are not shown to differ"
    return (
        f"Over {test.blocks} blocks, {verdict} (Friedman p = {test.p:.2g}): from {best['initializer']} at "
        f"{best['mean_rank']:.2f} to {worst['initializer']} at {worst['mean_rank']:.2f}. Nemenyi's critical difference "
        f"is {distance:.2f}; {different} of {len(table) * (len(table) - 1) // 2} pairs lie further apart."
    )


def aggregated(found: Scores, generator: Callable[[], Generator]) -> pd.DataFrame:
    """One line per arm, the best interquartile mean first: `Summary.aggregates`."""
    columns = ["initializer", "blocks", "runs"]
    columns += [f"{name}{end}" for name in ("iqm", "optimality_gap") for end in ("", "_low", "_high")]
    lines = []
    for arm, blocks in found.items():
        each = [aggregates.aggregate(one, blocks, generator()) for one in (aggregates.iqm, aggregates.optimality_gap)]
        counts = len(blocks), sum(block.size for block in blocks)
        lines.append([arm, *counts, *(number for one in each for number in _three(one))])
    return _frame(lines, columns).sort_values("iqm", ascending=False, kind="stable", ignore_index=True)


def profiles(found: Scores, generator: Callable[[], Generator]) -> pd.DataFrame:
    """The share of each arm's runs above each score: `Summary.profiles`."""
    parts = []
    for arm, blocks in found.items():
        one = aggregates.profile(blocks, THRESHOLDS, generator())
        columns = (arm, one.thresholds, one.share, one.low, one.high)
        parts.append(pd.DataFrame(dict(zip(PROFILE, columns, strict=True))))
    return pd.concat(parts, ignore_index=True) if parts else _frame([], PROFILE)


def improvement(found: Scores, generator: Callable[[], Generator]) -> pd.DataFrame:
    """How probably a run of one arm beats one of another in the same block: `Summary.improvement`."""
    lines = []
    for ours, theirs in combinations(found, 2):
        one = aggregates.probability_of_improvement(found[ours], found[theirs], generator())
        lines.append([ours, theirs, *_three(one)])
        lines.append(
            [theirs, ours, *(None if share is None else 1 - share for share in (one.value, one.high, one.low))]
        )
    return _frame(lines, ["initializer", "other", "probability", "low", "high"])


def _three(one: Estimate) -> tuple[float, float | None, float | None]:
    return one.value, one.low, one.high


def _frame(lines: Sequence[Sequence[object]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=list(columns))
