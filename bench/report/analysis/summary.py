"""A study in one object: its rows, a finding per block, its question, and what holds over all blocks.

In: the rows of one study. Out: a Summary. Touches: nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bench.report.analysis import overall
from bench.report.analysis.arms import STALLED, TRAINED, outcome
from bench.report.analysis.blocks import blocks
from bench.report.analysis.control import Control, control, set_apart
from bench.report.analysis.finding import Finding
from bench.report.analysis.frame import checked
from bench.report.analysis.interim import InterimLook
from bench.report.analysis.judge import Decided, Judged, judge
from bench.report.analysis.lines import OtherLine, other_line, others
from bench.report.analysis.overall import Aggregate, Ranks, Scores
from bench.report.analysis.power import Power, Spread, crossed, power
from bench.report.analysis.question import Question
from bench.report.analysis.rules import Rules
from bench.report.analysis.screening import Screening, screening
from bench.report.analysis.tuning import Tuning, tuning
from bench.report.statistics import Estimate
from bench.rows.screening import is_screening
from bench.rows.tuning import TUNED, labelled
from bench.rows.unfit import UnfitArm
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, UserError

STATUSES = (OK, DIVERGED, FAILED, PREEMPTED)


@dataclass(frozen=True, eq=False)
class Summary:
    """The findings of a study. `findings` has one entry per block, in the order of their choices.

    rows: all of them, sorted by id, those of the control too.
    rules: what matters and what counts as trained, as the study declares it.
    alpha: the level of each family of verdicts, 0 between planned interim looks, where none is due.
    question: the comparison that the study was made for, where it names one and its rows have both arms.
    interim_look: the place of the study among its planned looks; decided: how far it is where it takes seeds until
    its blocks are decided; control: the verdicts on its hidden A/A arm; tuning: what tuning changed;
    screening: which arms were dropped. unfit: the arms whose initializer does not fit their model.
    notes: sentences that no report may leave out. about: the study's yaml, where the rows come from a study.
    Every property below is computed when it is first used.
    """

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    rules: Rules
    alpha: float
    question: Question | None
    interim_look: InterimLook | None
    decided: Decided | None
    control: Control | None
    tuning: Tuning | None
    screening: Screening | None
    unfit: tuple[UnfitArm, ...] = ()
    notes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.about["name"])

    @property
    def columns(self) -> list[str]:
        """The choices that make a block: model, normalization, activation, and whatever else varies."""
        return list(self.findings[0].choices)

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of runs of each outcome, and of those that have none: failed and preempted."""
        found = Counter(outcome(row, self.rules) for row in self.rows)
        return {word: found[word] for word in (TRAINED, STALLED, DIVERGED, FAILED, PREEMPTED)}

    @cached_property
    def arms(self) -> list[str]:
        """The name of every arm, sorted."""
        return sorted({one.name for finding in self.findings for one in finding.arms})

    @property
    def sizes(self) -> list[int]:
        """The numbers of runs that an arm has in a block, each once, the smallest first."""
        return sorted({one.runs for finding in self.findings for one in finding.arms})

    @property
    def judged(self) -> Judged:
        """The findings with everything that was decided with them."""
        return Judged(self.findings, self.question, self.interim_look, self.alpha, self.decided)

    def advised(self, finding: Finding) -> Finding:
        """The finding for advice: the two arms of the question judged as the question, a family of its own, does."""
        return replace(finding, pairs=self.question.pairs_of(finding)) if self.question else finding

    @cached_property
    def distinct(self) -> tuple[Finding, ...]:
        """The findings that differ in more than a tuned value: of a study that tunes, those at its tuned values."""
        tuned = tuple(one for one in self.findings if TUNED in one.choices.values())
        return tuned if self.tuning and tuned else self.findings

    def rows_of(self, name: str) -> list[Row]:
        """The rows of an arm in all blocks."""
        return [row for finding in self.findings for one in finding.arms if one.name == name for row in one.rows]

    def shared(self) -> dict[str, Any]:
        """The choices that are the same in all runs that have them."""
        seen: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            for key, value in row.choices.items():
                seen.setdefault(key, {})[repr(value)] = value
        return {key: next(iter(values.values())) for key, values in seen.items() if len(values) == 1}

    @cached_property
    def ranks(self) -> Ranks | None:
        """Friedman's test and Nemenyi's critical difference; None for fewer than two arms, or blocks that have all."""
        return overall.ranking(self._scores)

    @cached_property
    def aggregates(self) -> list[Aggregate]:
        """The scores of each arm over all blocks, the best first."""
        return overall.aggregated(self._scores)

    @cached_property
    def improvement(self) -> dict[tuple[str, str], Estimate]:
        """The probability that a run of the first arm beats one of the second, by ordered pair of arms."""
        return overall.improvement(self._scores)

    @cached_property
    def power(self) -> list[Power]:
        """The seeds that each block needs."""
        return power(self.findings)

    @cached_property
    def variance(self) -> list[Spread]:
        """The components of the spread of each arm whose two kinds of seeds are crossed."""
        return list(crossed(self.findings))

    @cached_property
    def other_lines(self) -> list[OtherLine]:
        """What another line between trained and stalled would change."""
        return [other_line(self.judged, line) for line in others(self.rules.line)]

    @cached_property
    def _scores(self) -> Scores:
        return overall.scores(self.findings)


def summarize(
    rows: Iterable[Row], rules: Rules, about: Mapping[str, Any] | None = None, unfit: Sequence[UnfitArm] = ()
) -> Summary:
    """Summarize the rows of one study by its rules.

    `about`: the study's yaml; `unfit`: the arms that its sweeps left out. Raises UserError for no rows, a run that
    stands twice, an unknown status, an ok run without a test or validation accuracy, rows of the control alone, or a
    block whose runs were tested on different numbers of images or classes; ValueError for looks that do not rise.
    """
    rows = checked(rows)
    for row in rows:
        if row.status not in STATUSES:
            raise UserError(f"a row has the status {row.status!r}; known are {', '.join(STATUSES)}")
    unscreened = [row for row in rows if not (rules.screen and is_screening(row.choices, rules.screen))]
    kept = set_apart(blocks(_compared(unscreened, rules), unfit))
    judged = judge(kept, rules)
    return Summary(
        rows=tuple(rows),
        findings=judged.findings,
        rules=rules,
        alpha=judged.alpha,
        question=judged.question,
        interim_look=judged.look,
        decided=judged.decided,
        control=control(judged.findings),
        tuning=tuning(judged.findings, unscreened, rules.tune) if rules.tune else None,
        screening=screening(rows, rules),
        unfit=tuple(unfit),
        about=about or {},
    )


def _compared(rows: Sequence[Row], rules: Rules) -> list[Row]:
    """The rows that are judged, those of a study that tunes with what their value is."""
    found = labelled(rows, rules.tune) if rules.tune else [*rows]
    if not found:
        raise UserError("all these rows are of runs that tune or drop arms; the same sweep again makes those to judge")
    return found
