"""The power of a study: the seeds that its margin needs, and how much of the spread comes from each kind of seed.

In: findings. Out: Powers and Spreads. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.report.analysis.arms import Arm, accuracy
from bench.report.analysis.blocks import compared
from bench.report.analysis.finding import Finding
from bench.report.analysis.rules import ENOUGH
from bench.report.statistics import Array
from bench.report.statistics.power import seeds_for_equivalence, seeds_for_rate, seeds_needed, variance

POWER = 0.8
ORDER_SEED = "order_seed"


@dataclass(frozen=True)
class Seeds:
    """The seeds with which a pair of arms is decided with probability POWER; None where no spread is known, or none do.

    difference: where they differ by the margin. equivalence: of accuracy, where they do not differ. rate: to exclude a
    difference of the rate margin, where every run trains.
    """

    difference: int | None
    equivalence: int | None
    rate: int

    @property
    def needed(self) -> int | None:
        """The seeds that decide on accuracies whether or not they differ."""
        return max(self.difference, self.equivalence) if self.difference and self.equivalence else None


@dataclass(frozen=True)
class Power:
    """The seeds that a block needs: for one pair of arms, as the question is, and where all pairs are compared.

    `sd_points` is the standard deviation of a paired difference of trained runs, its variance the mean over the pairs
    that share two seeds or more; None where no pair does. Levels are those of the first step of Holm's procedure.
    """

    finding: Finding
    sd_points: float | None
    one_pair: Seeds
    all_pairs: Seeds


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


def power(findings: Sequence[Finding]) -> list[Power]:
    """The seeds that each block needs, from the spread over seeds it shows; at least one test image counts as spread.

    What other test images add to an error is not in it: no seeds lower that.
    """
    families = max(1, len(compared(finding.block for finding in findings)))
    return [
        Power(finding, spread, *(_seeds(finding, spread, count * len(findings)) for count in (1, families)))
        for finding in findings
        for spread in [_spread(finding)]
    ]


def _seeds(finding: Finding, spread: float | None, blocks: int) -> Seeds:
    """With as many blocks to a family, times its families: two tests of a difference in each, one of equivalence."""
    level, margin = finding.level / blocks, finding.margin
    difference = equal = None
    if spread and margin:
        difference = seeds_needed(margin, spread, level / 2, POWER)
        equal = seeds_for_equivalence(margin, spread, level, POWER)
    return Seeds(
        difference=max(ENOUGH, difference) if difference else None,
        equivalence=max(ENOUGH, equal) if equal else None,
        rate=seeds_for_rate(finding.rules.rate_margin, level),
    )


def _spread(finding: Finding) -> float | None:
    variances = []
    for pair in finding.pairs:
        ours, theirs = (one.by_seed for one in finding.arms if one.name in pair.names)
        if pair.seeds > 1:
            variances.append(float(np.var([ours[seed] - theirs[seed] for seed in ours if seed in theirs], ddof=1)))
    return max(100 * float(np.mean(variances)) ** 0.5, finding.resolution) or None if variances else None


def crossed(findings: Sequence[Finding]) -> Iterator[Spread]:
    """Each arm whose runs cross two seeds or more with two order seeds or more.

    A grid with a run that did not train has a hole, and is left out: its training rate stands in the table.
    """
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if ORDER_SEED in finding.choices:
            groups[repr(_without_order(finding))].append(finding)
    for group in groups.values():
        for name in sorted({one.name for finding in group for one in finding.arms}):
            arms = [one for finding in group for one in finding.arms if one.name == name]
            if (grid := _grid(arms)) is not None:
                yield _components(_without_order(group[0]), name, grid)


def _without_order(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in finding.choices.items() if key != ORDER_SEED}


def _grid(arms: Sequence[Arm]) -> Array | None:
    """Accuracies (seeds, order seeds); None unless each crossing has one trained run, and there are two of each."""
    rows = [row for one in arms for row in one.rows if row.choices["seed"] in one.by_seed]
    cells = {(row.choices["seed"], row.choices[ORDER_SEED]): accuracy(row) for row in rows}
    seeds, orders = (sorted({cell[at] for cell in cells}, key=repr) for at in (0, 1))
    runs = sum(one.runs for one in arms)
    whole = len(cells) == runs == len(seeds) * len(orders) and min(len(seeds), len(orders)) > 1
    if not whole or None in orders:
        return None
    return np.array([[cells[seed, order] for order in orders] for seed in seeds])


def _components(choices: dict[str, Any], name: str, grid: Array) -> Spread:
    found = variance(100 * grid)
    components = [max(0.0, one) for one in (found.initialization, found.order, found.rest)]
    initialization, order, rest, total = (one**0.5 for one in (*components, sum(components)))
    return Spread(choices, name, grid.shape[0], grid.shape[1], initialization, order, rest, total)
