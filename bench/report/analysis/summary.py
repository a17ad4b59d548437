"""A study in one object: the table, the pairs, a sentence per block, and the answer.

In: the rows of one study. Out: a Summary. Touches: nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import pandas as pd

from bench.report.analysis import control, overall
from bench.report.analysis import pairs as decisions
from bench.report.analysis import power as design
from bench.report.analysis.arms import Line, accuracies, generator, line
from bench.report.analysis.blocks import Block, blocks
from bench.report.analysis.control import Control
from bench.report.analysis.finding import Finding
from bench.report.analysis.frame import checked
from bench.report.analysis.interim import Look, look
from bench.report.analysis.overall import Ranks, Scores
from bench.report.analysis.question import Question, ask
from bench.report.wording.answer import answer, names
from bench.report.wording.block import sentence
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, UserError

STATUSES = (OK, DIVERGED, FAILED, PREEMPTED)


@dataclass(frozen=True)
class About:
    """A block in a line: its full label, and the name that tells it from the other blocks of the study.

    `margin_points` is as scaled to its test set; `test_images` is None if unknown.
    """

    label: str
    name: str
    verdict: str
    leader: str | None
    margin_points: float
    test_images: int | None
    sentence: str


@dataclass(frozen=True, eq=False)
class Summary:
    """What the rows of a study say.

    table: one line per block and arm (the block's choices, then the fields of tables.Line).
    pairs: one line per pair of arms in a block (its choices, then the fields of decisions.Pair).
    blocks: one line per block (its choices, then the fields of About).
    counts: runs by status, all four; answer: the study in a few sentences; margin_points: as stated, before scaling.
    question: the comparison that the study was made for, where it names one and its rows have both arms.
    alpha: the level of each family of verdicts, 0 between planned looks, where none is due.
    look: where the study stands among the looks it declares; control: what its hidden A/A arm says.
    notes: sentences that no report may leave out. What follows is computed when it is first asked for.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    blocks: pd.DataFrame
    counts: dict[str, int]
    answer: str
    margin_points: float
    question: Question | None
    alpha: float = decisions.ALPHA
    look: Look | None = None
    control: Control | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=(), repr=False)

    @cached_property
    def ranks(self) -> Ranks | None:
        """Friedman's test and Nemenyi's critical difference; None for fewer than two arms, or blocks that have all."""
        return overall.ranking(self._scores)

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """One line per arm, the best first: blocks, runs, iqm and optimality_gap of scores (0..1), each with bounds."""
        return overall.aggregated(self._scores, generator)

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """One line per arm and score: the share of runs above it, with pointwise bounds."""
        return overall.profiles(self._scores, generator)

    @cached_property
    def improvement(self) -> pd.DataFrame:
        """One line per ordered pair of arms: the probability that a run of the first beats one of the other."""
        return overall.improvement(self._scores, generator)

    @cached_property
    def power(self) -> pd.DataFrame:
        """One line per block: its choices, then the fields of design.Power."""
        found = zip(self.findings, self.blocks["name"], strict=True)
        return _table(design.Power, [(finding.block, vars(design.power(finding, name))) for finding, name in found])

    @cached_property
    def variance(self) -> pd.DataFrame:
        """One line per block (but for order_seed) and arm with crossed seeds: its choices, then design.Spread."""
        return _table(design.Spread, [(block, vars(spread)) for block, spread in design.crossed(self.findings)])

    @cached_property
    def _scores(self) -> Scores:
        return overall.scores(self.findings)

    @property
    def sentences(self) -> list[str]:
        """One per block, in the order of the table."""
        return list(self.blocks["sentence"])


def summarize(
    rows: Iterable[Row], margin: float, arms: Sequence[str] = (), looks: Sequence[int] = (), notes: Sequence[str] = ()
) -> Summary:
    """Summarize the rows of one study. `margin`: the smallest difference that matters, in points at 10,000 test images.

    `arms`: the two that the study declares as its question, if it does; `looks`: the numbers of seeds at which it was
    planned to be looked at; `notes`: what else the report should say.
    Raises UserError for no rows, a run that stands twice, a margin that is not positive, looks that are no plan, an ok
    run without a test accuracy, rows of the control alone, or a block whose runs were tested on different numbers of
    images or classes.
    """
    margin, rows = checked_margin(margin), checked(rows)
    kept, again = control.apart(blocks(rows))
    at = look(looks, kept, decisions.ALPHA)
    alpha = decisions.ALPHA if at is None else at.alpha
    findings = [_find(block, margin, alpha) for block in kept]
    named = list(zip(findings, names(findings), strict=True))
    same = control.control(findings, [name for _, name in named], again)
    return Summary(
        table=_table(Line, [(finding.block, vars(one)) for finding in findings for one in finding.lines]),
        pairs=_table(decisions.Pair, [(finding.block, vars(pair)) for finding in findings for pair in finding.pairs]),
        blocks=_table(About, [(finding.block, vars(_about(finding, name))) for finding, name in named]),
        counts=_counts(rows),
        answer=answer(findings),
        margin_points=margin,
        question=ask(findings, *arms) if arms else None,
        alpha=alpha,
        look=at,
        control=same,
        notes=(*(one.sentence for one in (at, same) if one), *notes),
        findings=tuple(findings),
    )


def checked_margin(margin: float) -> float:
    """The margin as it came; UserError unless it is above 0."""
    if not margin > 0:
        raise UserError(f"a margin is a number of percentage points above 0, such as 0.3, not {margin}")
    return float(margin)


def _find(block: Block, margin: float, alpha: float) -> Finding:
    rows = [row for arm in block.arms.values() for row in arm]
    test_images, classes = _shared(block, rows, "test_images"), _shared(block, rows, "classes")
    resolution = 1 / test_images if test_images else 0.0
    lines = sorted((line(arm, rows, resolution) for arm, rows in block.arms.items()), key=_rank)
    reached = {one.initializer: accuracies(block.arms[one.initializer]) for one in lines}
    scaled = decisions.scaled_margin(margin, test_images)
    pairs = decisions.compare(reached, scaled, 100 * resolution, alpha)
    return Finding(block, lines, pairs, scaled, test_images, classes, alpha)


def _rank(one: Line) -> tuple[bool, float, str]:
    return one.test_accuracy_mean is None, -(one.test_accuracy_mean or 0.0), one.initializer


def _shared(block: Block, rows: Sequence[Row], key: str) -> int | None:
    values = {row.environment[key] for row in rows if key in row.environment}  # a failed run may not have got so far
    if len(values) > 1:
        told = " and ".join(sorted(str(value) for value in values))
        raise UserError(
            f"runs of one block ({block.label(block.choices)}) have {told} {key}: their means cannot be mixed"
        )
    return next(iter(values), None)


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    found = Counter(row.status for row in rows)
    for status in found.keys() - set(STATUSES):
        raise UserError(f"a row has the status {status!r}; known are {', '.join(STATUSES)}")
    return {status: found[status] for status in STATUSES}


def _about(finding: Finding, name: str) -> About:
    return About(
        label=finding.block.label(finding.block.choices),
        name=name or "all",
        verdict=finding.verdict,
        leader=finding.leader.initializer if finding.leader else None,
        margin_points=finding.margin,
        test_images=finding.test_images,
        sentence=sentence(finding),
    )


def _table(kind: type, lines: Sequence[tuple[Block, Mapping[str, Any]]]) -> pd.DataFrame:
    # choices stay objects: beside a missing one pandas would print 6 epochs as 6.0
    choices = pd.DataFrame([block.choices for block, _ in lines], dtype=object)
    return choices.join(pd.DataFrame([values for _, values in lines], columns=[field.name for field in fields(kind)]))
