"""The finding of a block: its arms, its pairs, and the verdict that they make together.

In: a block. Out: a Finding. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.report import statistics
from bench.report.analysis.arms import Arm, accuracies, arm
from bench.report.analysis.blocks import Block
from bench.report.analysis.pairs import (
    ALPHA,
    DIFFERENT,
    EQUIVALENT,
    UNDECIDED,
    Pair,
    compare,
    digits,
    scaled_margin,
    seen_from,
)
from bench.schema import Row, UserError

MATTERS, NO_MATTER, NO_TRAINING, ALONE = "matters", "does not matter", "nothing trains", "one arm"
DECIDED = (MATTERS, NO_MATTER)
NEAR_CHANCE = 1.5  # times the accuracy of a guess


@dataclass(frozen=True, eq=False)
class Finding:
    """A block with its arms, the highest mean first, and a pair for every two of them that have a mean.

    `name` tells the block from the others of its study: resnet20/batch/relu, "" for a single block. `margin` is in
    points, scaled to the test set. `test_images` and `classes` are None if unknown. `alpha` is the level of the
    verdicts, 0 between the planned interim looks of a study, where no verdict is due.
    """

    block: Block
    name: str
    arms: tuple[Arm, ...]
    pairs: tuple[Pair, ...]
    margin: float
    test_images: int | None
    classes: int | None
    alpha: float = ALPHA

    @property
    def choices(self) -> dict[str, Any]:
        """The choices of the block."""
        return self.block.choices

    @property
    def title(self) -> str:
        """The name, or all choices of a block that has no name."""
        return self.name or self.block.label

    @property
    def digits(self) -> int:
        """Decimals of a percentage that mean something here."""
        return digits(self.margin)

    @property
    def resolution(self) -> float:
        """One test image in points, 0 where the number of test images is unknown."""
        return 100 / self.test_images if self.test_images else 0.0

    @property
    def level(self) -> float:
        """The level that a verdict has, or would have were it due."""
        return self.alpha or ALPHA

    @property
    def fewest(self) -> int:
        """The number of converged runs of the arm that has the fewest."""
        return min(one.converged for one in self.arms)

    def arm(self, name: str) -> Arm | None:
        """The arm of this name; None where the block has none."""
        return next((one for one in self.arms if one.name == name), None)

    def rows(self, name: str) -> tuple[Row, ...]:
        """The rows of an arm, none where the block has no such arm."""
        return one.rows if (one := self.arm(name)) else ()

    def pair(self, ours: str, theirs: str) -> Pair | None:
        """The pair of two arms as the difference of `ours` from `theirs`; None where one of them has no mean."""
        for pair in self.pairs:
            if (pair.initializer, pair.other) == (ours, theirs):
                return pair
            if (pair.other, pair.initializer) == (ours, theirs):
                return pair.turned()
        return None

    def ids(self, *names: str) -> tuple[str, ...]:
        """The ids of the runs of some arms."""
        return tuple(row.id for name in names for row in self.rows(name))

    @cached_property
    def verdict(self) -> str:
        """Whether the initializer matters here: MATTERS, NO_MATTER, UNDECIDED, NO_TRAINING, or ALONE (one arm).

        It matters when two arms differ in accuracy or in divergence. It does not when every ended run of every arm
        converged and all pairs are equivalent. Nothing trains when each arm always diverged or stayed near chance.
        """
        if len(self.arms) < 2:
            return ALONE
        if all(one.diverged == one.runs or self.near_chance(one) for one in self.arms):
            return NO_TRAINING
        if any(pair.verdict == DIFFERENT for pair in self.pairs) or self.divergence_differs:
            return MATTERS
        all_converged = all(one.converged and not one.diverged for one in self.arms)
        return NO_MATTER if all_converged and all(pair.verdict == EQUIVALENT for pair in self.pairs) else UNDECIDED

    @property
    def divergence_differs(self) -> bool:
        """Whether the Wilson intervals of two arms' divergence rates, at 1 - alpha, lie apart.

        A strict test: at 95 %, 4 of 4 runs against 0 of 4 passes, 3 of 3 against 0 of 3 does not.
        """
        ended = [(one.diverged, one.converged + one.diverged) for one in self.arms]
        rates = [statistics.wilson(*counts, 1 - self.alpha) for counts in ended if counts[1] and self.alpha]
        return bool(rates) and max(rate.low or 0.0 for rate in rates) > min(rate.high or 0.0 for rate in rates)

    @cached_property
    def leader(self) -> Arm | None:
        """The highest mean among the arms that never diverged, or among all where each did; None without a mean."""
        means = [one for one in self.arms if one.mean is not None]
        steady = [one for one in means if not one.diverged]
        return max(steady or means, key=lambda one: one.mean or 0.0, default=None)

    @cached_property
    def leading(self) -> list[str]:
        """The arms that never diverged and are not shown to be worse than the leader, the leader among them."""
        if self.leader is None:
            return []
        ahead_of = seen_from(self.leader.name, self.pairs)
        worse = {pair.other for pair in ahead_of if pair.verdict == DIFFERENT and pair.difference > 0}
        return [one.name for one in self.arms if one.converged and not one.diverged and one.name not in worse]

    def near_chance(self, one: Arm) -> bool:
        """Whether the arm's mean accuracy is at most 1.5 times that of a guess; not where the classes are unknown."""
        return one.mean is not None and self._is_chance(one.mean)

    @cached_property
    def split(self) -> dict[str, int]:
        """The arms of which some converged runs stayed near chance and others did not, and how many stayed.

        Their accuracies have two modes, of which few seeds may show one: no interval of their mean covers as stated.
        """
        near = {one.name: sum(map(self._is_chance, accuracies(one.rows).values())) for one in self.arms}
        return {one.name: near[one.name] for one in self.arms if 0 < near[one.name] < one.converged}

    def _is_chance(self, accuracy: float) -> bool:
        return self.classes is not None and accuracy <= NEAR_CHANCE / self.classes


def find(block: Block, name: str, margin: float, alpha: float) -> Finding:
    """The finding of a block. `margin` is in points at 10,000 test images.

    Raises UserError where its runs were tested on different numbers of images or classes, and as `arm` does.
    """
    test_images, classes = _shared(block, "test_images"), _shared(block, "classes")
    resolution = 1 / test_images if test_images else 0.0
    arms = sorted((arm(name, rows, resolution) for name, rows in block.arms.items()), key=_rank)
    reached = {one.name: accuracies(one.rows) for one in arms}
    scaled = scaled_margin(margin, test_images)
    pairs = compare(reached, scaled, 100 * resolution, alpha)
    return Finding(block, name, tuple(arms), tuple(pairs), scaled, test_images, classes, alpha)


def _rank(one: Arm) -> tuple[bool, float, str]:
    return one.mean is None, -(one.mean or 0.0), one.name


def _shared(block: Block, key: str) -> int | None:
    rows: Sequence[Row] = [row for runs in block.arms.values() for row in runs]
    values = {row.environment[key] for row in rows if key in row.environment}  # a failed run may not have got so far
    if len(values) > 1:
        several = " and ".join(sorted(str(value) for value in values))
        raise UserError(f"runs of one block ({block.label}) have {several} {key}: their means cannot be mixed")
    return next(iter(values), None)
