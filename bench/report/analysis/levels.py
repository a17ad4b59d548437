"""How far arms lie apart, by each choice of the blocks: so many points with batch norm, so many without it.

In: findings. Out: Levels. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Any

from bench.report import statistics
from bench.report.analysis.arms import reached
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, POINTS, WITHIN, Pair
from bench.report.analysis.tuning import Tuning
from bench.report.statistics import Estimate


@dataclass(frozen=True, eq=False)
class Level:
    """The blocks that share one value of a choice; the design of experiments calls the choice a factor.

    arms: those that every block of the study has, of which the gaps are, for a gap grows with their number.
    tuning: of the study, which ranks its arms by runs that no verdict uses; None where nothing does.
    """

    choice: str
    value: Any
    findings: tuple[Finding, ...]
    arms: frozenset[str]
    tuning: Tuning | None = None

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

    @cached_property
    def ranked(self) -> Estimate | None:
        """The points between the arm that tuning ranks first and the one that it ranks last, in the mean of the blocks.

        Over all runs that ended of the seeds of verdicts, a diverged one counted as chance, with Student's interval
        over these seeds. A gap is larger, for its runs rank the arms themselves, by chance too. None where tuning ranks
        no two arms of a block, or the blocks have no seed in common.
        """
        found = [self._first_over_last(finding) for finding in self.findings]
        seeds = sorted(set[Any].intersection(*map(set, found)), key=repr)
        return statistics.mean([fmean(one[seed] for one in found) for seed in seeds]) if seeds else None

    def _first_over_last(self, finding: Finding) -> dict[Any, float]:
        scores = {one.tuned: one.scores.get(one.value or 0.0) for one in self.tuning.arms} if self.tuning else {}
        known = [one for one in finding.arms if one.name in self.arms and scores.get(one) is not None]
        if len(known) < 2:
            return {}
        known.sort(key=lambda one: (-(scores[one] or 0.0), one.name))
        first, last = (dict(reached(one.rows)) for one in (known[0], known[-1]))
        return {seed: POINTS * (first[seed] - last[seed]) for seed in first if seed in last}

    @property
    def size(self) -> float | None:
        """How far its arms lie apart: as tuning ranks them, or the gap of its median block."""
        return self.ranked.value if self.ranked else self.gap

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


def by_choice(findings: Sequence[Finding], tuning: Tuning | None = None) -> dict[str, list[Level]]:
    """The levels of each choice that varies, the choice first whose levels differ most in how far their arms lie apart.

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
            groups = [tuple(same) for same in values.values()]
            found[choice] = [Level(choice, same[0].choices[choice], same, arms, tuning) for same in groups]
    return dict(sorted(found.items(), key=lambda item: -_range(item[1])))


def telling(findings: Sequence[Finding], labels: Sequence[str]) -> str:
    """The choice that tells labels of findings best: it leaves the fewest labels within its values.

    Of the choices that all findings have; "" where none has a value of two findings or more with one label.
    """
    found: dict[str, int] = {}
    for choice in (key for key in findings[0].choices if all(key in one.choices for one in findings)):
        values: dict[str, list[str]] = defaultdict(list)
        for finding, label in zip(findings, labels, strict=True):
            values[repr(finding.choices[choice])].append(label)
        if len(values) > 1 and any(len(one) > 1 and len(set(one)) == 1 for one in values.values()):
            found[choice] = sum(len(set(one)) for one in values.values())
    return min(found, key=lambda key: found[key], default="")


def _range(levels: Sequence[Level]) -> float:
    sizes = [one.size for one in levels if one.size is not None]
    return max(sizes, default=0.0) - min(sizes, default=0.0)
