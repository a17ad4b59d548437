"""The power of a study: the seeds that its margin needs, and how much of the spread comes from each kind of seed.

In: findings. Out: Powers and Spreads. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.report.analysis.arms import accuracies, accuracy
from bench.report.analysis.finding import Finding
from bench.report.statistics import Array
from bench.report.statistics.power import seeds_needed, variance
from bench.schema import OK, Row

POWER = 0.8
ORDER_SEED = "order_seed"


@dataclass(frozen=True)
class Power:
    """The seeds with which a block sees a difference as large as its margin with probability `power`.

    `sd_points` is the standard deviation of a paired difference, its variance the mean over the pairs that share two
    seeds or more; None where no pair does. `seeds_for_margin` is for one test at `alpha`, `seeds_for_family` for the
    first step of Holm's over all `pairs`.
    """

    finding: Finding
    sd_points: float | None
    alpha: float
    power: float
    pairs: int
    seeds_for_margin: int | None
    seeds_for_family: int | None


@dataclass(frozen=True)
class Spread:
    """Where an arm's spread in a block comes from, as standard deviations in percentage points.

    `choices` are those of the block without the order seed. A component whose estimated variance is below 0 has none
    (0). `sd_points` is of a run whose both seeds are drawn.
    """

    choices: dict[str, Any]
    name: str
    initializations: int
    orders: int
    sd_initialization_points: float
    sd_order_points: float
    sd_rest_points: float
    sd_points: float


def power(finding: Finding) -> Power:
    """The seeds that a block needs, from the spread it shows; at least one test image counts as spread."""
    spread, pairs = _spread(finding), len(finding.pairs)
    needed = [
        seeds_needed(finding.margin, spread, alpha, POWER) if spread else None
        for alpha in (finding.level, finding.level / max(1, pairs))
    ]
    return Power(finding, spread, finding.level, POWER, pairs, *needed)


def _spread(finding: Finding) -> float | None:
    arms = {one.name: accuracies(one.rows) for one in finding.arms}
    variances = []
    for pair in finding.pairs:
        ours, theirs = arms[pair.initializer], arms[pair.other]
        if pair.seeds > 1:
            variances.append(float(np.var([ours[seed] - theirs[seed] for seed in ours if seed in theirs], ddof=1)))
    return max(100 * float(np.mean(variances)) ** 0.5, finding.resolution) or None if variances else None


def crossed(findings: Sequence[Finding]) -> Iterator[Spread]:
    """Each arm whose runs cross two seeds or more with two order seeds or more.

    A grid with a run that did not converge has a hole, and is left out: its divergence rate stands in the table.
    """
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if ORDER_SEED in finding.choices:
            groups[repr(_without_order(finding))].append(finding)
    for group in groups.values():
        for name in sorted({one.name for finding in group for one in finding.arms}):
            rows = [row for finding in group for one in finding.arms if one.name == name for row in one.rows]
            if (grid := _grid(rows)) is not None:
                yield _components(_without_order(group[0]), name, grid)


def _without_order(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in finding.choices.items() if key != ORDER_SEED}


def _grid(rows: Sequence[Row]) -> Array | None:
    """Accuracies (seeds, order seeds); None unless each crossing has one converged run, and there are two of each."""
    cells = {(row.choices["seed"], row.choices[ORDER_SEED]): accuracy(row) for row in rows if row.status == OK}
    seeds, orders = (sorted({cell[at] for cell in cells}, key=repr) for at in (0, 1))
    whole = len(cells) == len(rows) == len(seeds) * len(orders) and min(len(seeds), len(orders)) > 1
    if not whole or None in orders:
        return None
    return np.array([[cells[seed, order] for order in orders] for seed in seeds])


def _components(choices: dict[str, Any], name: str, grid: Array) -> Spread:
    found = variance(100 * grid)
    components = [max(0.0, one) for one in (found.initialization, found.order, found.rest)]
    initialization, order, rest, total = (one**0.5 for one in (*components, sum(components)))
    return Spread(choices, name, grid.shape[0], grid.shape[1], initialization, order, rest, total)
