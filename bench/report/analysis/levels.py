"""How far arms lie apart, by each choice of the blocks: so many points with batch norm, so many without it.

In: findings. Out: Levels. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, POINTS, WITHIN, Pair


@dataclass(frozen=True, eq=False)
class Level:
    """The blocks that share one value of a choice; the design of experiments calls the choice a factor.

    arms: those that every block of the study has, of which the gaps are, for a gap grows with their number.
    """

    choice: str
    value: Any
    findings: tuple[Finding, ...]
    arms: frozenset[str]

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs of all its blocks."""
        return [pair for finding in self.findings for pair in finding.pairs]

    @cached_property
    def gaps(self) -> list[float]:
        """Of each block the points between its best and its worst arm by the mean over all runs, the smallest first."""
        means = [
            [one.mean_of_all for one in finding.arms if one.name in self.arms and one.mean_of_all is not None]
            for finding in self.findings
        ]
        return sorted(POINTS * (max(one) - min(one)) for one in means if len(one) > 1)

    @property
    def gap(self) -> float | None:
        """The gap of its median block; None where no block has two arms."""
        return median(self.gaps) if self.gaps else None

    @property
    def rates(self) -> list[float]:
        """The training rates of its arms in their blocks, the lowest first."""
        return sorted(one.rate.value for finding in self.findings for one in finding.arms if one.rate)

    @property
    def widest(self) -> tuple[Finding, Pair] | None:
        """The pair with the largest difference in accuracy among those shown to have one, seen from the better arm."""
        shown = [
            (finding, pair if pair.accuracy.sign > 0 else pair.turned())
            for finding in self.findings
            for pair in finding.pairs
            if pair.accuracy.verdict in (DIFFERENT, WITHIN)
        ]
        return max(shown, key=lambda one: one[1].accuracy.difference or 0.0, default=None)


def by_choice(findings: Sequence[Finding]) -> dict[str, list[Level]]:
    """The levels of each choice that varies, the choice first whose levels differ most in their gap.

    Findings of several studies may differ in their choices; those that all have are compared.
    """
    if not findings:
        return {}
    arms = frozenset.intersection(*(frozenset(one.name for one in finding.arms) for finding in findings))
    found: dict[str, list[Level]] = {}
    for choice in (key for key in findings[0].choices if all(key in one.choices for one in findings)):
        values: dict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            values[repr(finding.choices[choice])].append(finding)
        if len(values) > 1:
            found[choice] = [Level(choice, same[0].choices[choice], tuple(same), arms) for same in values.values()]
    return dict(sorted(found.items(), key=lambda item: -_range(item[1])))


def _range(levels: Sequence[Level]) -> float:
    gaps = [one.gap for one in levels if one.gap is not None]
    return max(gaps, default=0.0) - min(gaps, default=0.0)
