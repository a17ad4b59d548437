"""A block and what was found in it: its lines, its pairs, and what they say together.

In: lines and pairs. Out: a Finding. Touches: nothing.
"""

from dataclasses import dataclass

from bench.report import statistics
from bench.report.analysis import pairs as decisions
from bench.report.analysis.arms import Line, accuracies
from bench.report.analysis.blocks import Block
from bench.report.analysis.pairs import ALPHA, DIFFERENT, EQUIVALENT, UNDECIDED, Pair

MATTERS, NO_MATTER, NO_TRAINING, ALONE = "matters", "does not matter", "nothing trains", "one arm"
NEAR_CHANCE = 1.5  # times the accuracy of a guess


@dataclass(frozen=True)
class Finding:
    """A block and what was found in it. `margin` is in points; `test_images` and `classes` are None if unknown.

    `alpha` is the level of its verdicts: 0 between the planned looks of a study, where none is due.
    """

    block: Block
    lines: list[Line]
    pairs: list[Pair]
    margin: float
    test_images: int | None
    classes: int | None
    alpha: float = ALPHA

    @property
    def level(self) -> float:
        """The level that a verdict has, or would have were it due."""
        return self.alpha or ALPHA

    @property
    def verdict(self) -> str:
        """Whether the initializer matters here: MATTERS, NO_MATTER, UNDECIDED, NO_TRAINING, or ALONE (one arm).

        It matters when two arms differ in accuracy or in divergence. It does not when every ended run of every arm
        converged and all pairs are equivalent. Nothing trains when each arm always diverged or stayed near chance.
        """
        if len(self.lines) < 2:
            return ALONE
        if all(line.diverged == line.runs or self.near_chance(line) for line in self.lines):
            return NO_TRAINING
        if any(pair.verdict == DIFFERENT for pair in self.pairs) or self.divergence_differs:
            return MATTERS
        settled = all(line.converged and not line.diverged for line in self.lines)
        return NO_MATTER if settled and all(pair.verdict == EQUIVALENT for pair in self.pairs) else UNDECIDED

    @property
    def divergence_differs(self) -> bool:
        """Whether the Wilson intervals of two arms' divergence rates, at 1 - alpha, lie apart.

        A strict test: at 95 %, 4 of 4 runs against 0 of 4 passes, 3 of 3 against 0 of 3 does not.
        """
        ended = [(line.diverged, line.converged + line.diverged) for line in self.lines]
        rates = [statistics.wilson(*counts, 1 - self.alpha) for counts in ended if counts[1] and self.alpha]
        return bool(rates) and max(rate.low or 0.0 for rate in rates) > min(rate.high or 0.0 for rate in rates)

    @property
    def leader(self) -> Line | None:
        """The highest mean among the arms that never diverged, or among all where each did; None without a mean."""
        means = [line for line in self.lines if line.test_accuracy_mean is not None]
        steady = [line for line in means if not line.diverged]
        return max(steady or means, key=lambda line: line.test_accuracy_mean or 0.0, default=None)

    @property
    def leading(self) -> list[str]:
        """The arms that never diverged and are not shown to be worse than the leader, the leader among them."""
        if self.leader is None:
            return []
        mine = decisions.seen_from(self.leader.initializer, self.pairs)
        worse = {pair.other for pair in mine if pair.verdict == DIFFERENT and (pair.difference_points or 0.0) > 0}
        steady = [line.initializer for line in self.lines if line.converged and not line.diverged]
        return [arm for arm in steady if arm not in worse]

    def near_chance(self, line: Line) -> bool:
        """Whether the arm's mean accuracy is at most 1.5 times that of a guess; not where the classes are unknown."""
        mean = line.test_accuracy_mean
        return mean is not None and self._is_chance(mean)

    @property
    def split(self) -> dict[str, int]:
        """The arms of which some converged runs stayed near chance and others did not, and how many stayed.

        Their accuracies have two modes, of which few seeds may show one: no interval of their mean covers as it says.
        """
        near = {
            line.initializer: sum(map(self._is_chance, accuracies(self.block.arms.get(line.initializer, [])).values()))
            for line in self.lines
        }
        return {
            line.initializer: near[line.initializer]
            for line in self.lines
            if 0 < near[line.initializer] < line.converged
        }

    def _is_chance(self, accuracy: float) -> bool:
        return self.classes is not None and accuracy <= NEAR_CHANCE / self.classes
