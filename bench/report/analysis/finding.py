"""The finding of a block: its arms, its pairs, and the verdict that they make together.

In: blocks, and the rules of the study. Out: Findings. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from bench.report.analysis.arms import Arm, arm
from bench.report.analysis.blocks import Block, compared, names
from bench.report.analysis.pairs import (
    CLOSE,
    DIFFERENT,
    NEITHER,
    UNDECIDED,
    Pair,
    compare,
    decide,
    seen_from,
)
from bench.report.analysis.rules import ALPHA, Rules
from bench.schema import Row, UserError

MATTERS, NO_MATTER, EQUAL, ALONE = "matters", "does not matter", "equal in accuracy", "one arm"
FINE = 2_000  # test images from which on a hundredth of a point means something


@dataclass(frozen=True, eq=False)
class Finding:
    """A block with its arms, the highest mean first, and a pair for every two of them that have ended runs.

    `name` tells the block from the others of its study: resnet20/batch/relu, "" for a single block. `test_images` and
    `classes` are None if unknown. `alpha` is the level of the verdicts, 0 between the planned interim looks of a study,
    where no verdict is due.
    """

    block: Block
    name: str
    arms: tuple[Arm, ...]
    pairs: tuple[Pair, ...]
    rules: Rules
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
        """Decimals of a percentage that mean something: one image of 360 is 0.28 points, one of 10,000 is 0.01."""
        return 2 if self.test_images and self.test_images >= FINE else 1

    @property
    def resolution(self) -> float:
        """One test image in points, 0 where the number of test images is unknown."""
        return 100 / self.test_images if self.test_images else 0.0

    @property
    def margin(self) -> float:
        """The margin in points against the best arm."""
        return self.rules.margin.against(max((one.mean or 0.0 for one in self.arms), default=0.0), self.resolution)

    @property
    def threshold(self) -> float:
        """The validation accuracy above which a run has trained, a fraction."""
        return self.rules.threshold(self.classes)

    @property
    def level(self) -> float:
        """The level that a verdict has, or would have were it due."""
        return self.alpha or ALPHA

    def arm(self, name: str) -> Arm | None:
        """The arm of this name; None where the block has none."""
        return next((one for one in self.arms if one.name == name), None)

    def rows(self, name: str) -> tuple[Row, ...]:
        """The rows of an arm, none where the block has no such arm."""
        return one.rows if (one := self.arm(name)) else ()

    def pair(self, ours: str, theirs: str) -> Pair | None:
        """The pair of two arms as the difference of `ours` from `theirs`; None where one of them has no ended run."""
        found = [pair for pair in seen_from(ours, self.pairs) if pair.other == theirs]
        return found[0] if found else None

    def ids(self, *names: str) -> tuple[str, ...]:
        """The ids of the runs of some arms."""
        return tuple(row.id for name in names for row in self.rows(name))

    @cached_property
    def verdict(self) -> str:
        """Whether the initializer matters here: MATTERS, NO_MATTER, EQUAL, UNDECIDED, NEITHER (trains), or ALONE.

        It matters when two arms are different. It does not when each pair is shown to be equivalent, or different by
        less than the margin, in both endpoints. EQUAL is the same for the accuracies alone, where the runs are too few
        to say it of the training rates. An arm without an ended run leaves all but a difference undecided.
        """
        if len(self.arms) < 2:
            return ALONE
        if any(pair.verdict == DIFFERENT for pair in self.pairs):
            return MATTERS
        if not self.alpha or not all(one.ended for one in self.arms):
            return UNDECIDED
        if not any(one.trained for one in self.arms):
            return NEITHER
        if all(pair.close for pair in self.pairs):
            return NO_MATTER
        return EQUAL if all(pair.accuracy.verdict in CLOSE for pair in self.pairs) else UNDECIDED

    @cached_property
    def leading(self) -> list[str]:
        """The arms with trained runs than which none is shown to be better, in the order of the arms."""
        beaten = {name for pair in self.pairs if pair.better for name in pair.names - {pair.better}}
        return [one.name for one in self.arms if one.trained and one.name not in beaten]

    @cached_property
    def leader(self) -> Arm | None:
        """Of the leading arms the one with the highest mean over all its runs; None where nothing trained."""
        found = [one for one in self.arms if one.name in self.leading]
        return max(found, key=lambda one: one.mean_of_all or 0.0, default=None)


def find(blocks: Sequence[Block], rules: Rules, alpha: float) -> tuple[Finding, ...]:
    """The findings of a study's blocks.

    Raises UserError where the runs of a block were tested on different numbers of images or classes, and as `arm` does.
    """
    found = [measure(block, name, rules, alpha) for block, name in zip(blocks, names(blocks), strict=True)]
    decided = iter(decide([pair for one in found for pair in one.pairs], alpha, len(compared(blocks))))
    return tuple(replace(one, pairs=tuple(islice(decided, len(one.pairs)))) for one in found)


def measure(block: Block, name: str, rules: Rules, alpha: float) -> Finding:
    """The finding of a block whose pairs are not decided yet."""
    images, classes = _shared(block, "test_images"), _shared(block, "classes")
    image = 1 / images if images else 0.0
    arms = sorted((arm(name, rows, rules, image) for name, rows in block.arms.items()), key=_rank)
    return Finding(block, name, tuple(arms), tuple(compare(arms, rules, 100 * image)), rules, images, classes, alpha)


def _rank(one: Arm) -> tuple[bool, float, str]:
    return one.mean is None, -(one.mean or 0.0), one.name


def _shared(block: Block, key: str) -> int | None:
    rows: Sequence[Row] = [row for runs in (*block.arms.values(), *block.control.values()) for row in runs]
    values = {row.environment[key] for row in rows if key in row.environment}  # a failed run may not have got so far
    if len(values) > 1:
        several = " and ".join(sorted(str(value) for value in values))
        raise UserError(f"runs of one block ({block.label}) have {several} {key}: their means cannot be mixed")
    return next(iter(values), None)
