"""How far arms lie apart, by each choice of the blocks: so many points with batch norm, so many without it.

In: findings, or a Summary. Out: Levels. Touches: nothing.
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
from bench.report.analysis.summary import Summary
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
    def lead(self) -> Estimate | None:
        """The points by which the arm that tuning ranks first leads the one that it ranks last, in the mean block.

        Over the runs of the seeds that both arms have in every block, a diverged one counted as chance, with Student's
        interval over these seeds; tuning does not see them. The gap of a block is of the runs that rank its arms, which
        chance widens. None where tuning ranks no two arms of a block, or its blocks have no such seed.
        """
        found = [self._leads_of(finding) for finding in self.findings]
        seeds = sorted(set.intersection(*map(set, found)), key=repr)
        return statistics.mean([fmean(one[seed] for one in found) for seed in seeds]) if seeds else None

    @cached_property
    def leads(self) -> list[float]:
        """The lead in each block, over the seeds that its two arms share, the smallest first."""
        return sorted(fmean(one.values()) for finding in self.findings if (one := self._leads_of(finding)))

    def _leads_of(self, finding: Finding) -> dict[Any, float]:
        found = self.tuning.arms if self.tuning else ()
        scores = {one.tuned: one.scores[one.value] for one in found if one.value is not None and one.scores}
        ranked = [(scores[one], one) for one in finding.arms if one.name in self.arms and one in scores]
        if len(ranked) < 2:
            return {}
        ranked.sort(key=lambda pair: (-pair[0], pair[1].name))
        first, last = (dict(reached(one.rows)) for _, one in (ranked[0], ranked[-1]))
        return {seed: POINTS * (first[seed] - last[seed]) for seed in first if seed in last}

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


def of_study(summary: Summary) -> list[Level]:
    """The levels of the choice on which it depends most how far arms lie apart; none where no choice varies.

    Of a study that tunes, each arm at its own value.
    """
    return next(iter(by_choice([*map(summary.advised, summary.distinct)], summary.tuning).values()), [])


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


def sizes(levels: Sequence[Level]) -> list[float]:
    """How far arms lie apart at each level: by its lead where all have one, or else by its gap where it has one."""
    leads = [one.lead.value for one in levels if one.lead]
    return leads if len(leads) == len(levels) else [one.gap for one in levels if one.gap is not None]


def _range(levels: Sequence[Level]) -> float:
    found = sizes(levels)
    return max(found, default=0.0) - min(found, default=0.0)
