"""The summary of a study as a command prints it: a table and a sentence per block, the study at a glance, the answer.

In: a Summary. Out: a Sheet. Touches: nothing.
"""

from collections.abc import Callable
from typing import Any

from bench.report.analysis import frame
from bench.report.analysis.finding import Finding
from bench.report.analysis.question import Question
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Part, Section, Sheet, Table
from bench.report.statistics.intervals import MANY
from bench.report.tables import screening, tuning
from bench.report.tables.results import arm_cells, lost_statuses, means, question_in_short
from bench.report.wording import answer
from bench.report.wording import study as words
from bench.report.wording.block import sentence
from bench.report.wording.factor import factor
from bench.report.wording.format import number
from bench.report.wording.tuning import changed
from bench.rows.unfit import sentences

GLANCE = "At a glance: mean test accuracy of trained runs in percent, and how many runs trained where not all did"
TUNED = "Tuned: each arm at the shared value and at its own"
DROPPED = "Dropped by screening"
TABLES = (tuning.tuned, tuning.search, tuning.flips)
NOTES = (
    f"Accuracies are means over trained runs, with 95 % intervals: Student's t, from {MANY} runs on the studentized "
    "bootstrap. Differences are paired by seed, in points, with 95 % t intervals. Training rates are compared by "
    "Boschloo's exact test, accuracies by a paired t test; equivalence needs TOST in accuracy and an exact test in "
    "rate. P-values are Holm-adjusted over all blocks and multiplied by the number of pairs of arms. The standard "
    "deviation is taken as at least one test image."
)


def sheet(summary: Summary) -> Sheet:
    """The summary for a terminal, for a page and for programs."""
    blocks = [
        Section(finding.block.label, (block(summary, finding), sentence(finding))) for finding in summary.findings
    ]
    conclusion = " ".join(filter(None, [factor(summary), answer.answer(summary), words.counts(summary)]))
    notes = " ".join([NOTES, *([words.judged(summary)] if summary.about else []), *words.notes(summary)])
    parts: list[Part] = [*blocks, *[Section(GLANCE, (glance(summary, intervals=False),))] * (len(blocks) > 1)]
    page: list[Part] = [conclusion, Section(GLANCE, (glance(summary, intervals=True),)), *blocks, notes]
    ending = [notes, conclusion]
    if comparison := summary.question:
        heading = f"The question: {' against '.join(comparison.arms)}, a family of its own over the blocks"
        section = Section(heading, (question_in_short(comparison),))
        parts, page = [*parts, section], [section, *page]
    if reply := answer.question(summary):
        page, ending = [reply, *page], [*ending, reply]
    if summary.tuning:
        section = Section(
            TUNED, (*filter(None, map(_filled, TABLES, [summary] * len(TABLES))), changed(summary.tuning))
        )
        parts, page = [*parts, section], [*page[:-1], section, page[-1]]
    if table := _filled(screening.dropped, summary):
        parts, page = [*parts, Section(DROPPED, (table,))], [*page[:-1], Section(DROPPED, (table,)), page[-1]]
    whole = Section(f"{summary.name}: {summary.about['law']}", tuple(page), level=2) if summary.about else None
    return Sheet(
        (*parts, *ending),
        frame.table(frame.arms(summary.findings)),
        record(summary),
        (whole,) if whole else tuple(page),
    )


def _filled(make: Callable[[Summary], Table | None], summary: Summary) -> Table | None:
    """The table where it has a line."""
    return table if (table := make(summary)) and table.lines else None


def block(summary: Summary, finding: Finding) -> Table:
    """One line per arm: its outcomes, accuracies and seconds, the highest mean first."""
    lost = lost_statuses(summary)
    lines = tuple(
        (*arm_cells(finding, one, lost, rate=False), Cell(number(one.seconds, 1), one.seconds)) for one in finding.arms
    )
    header = ("initializer", "trained", *lost, "accuracy %", "all runs %", "first epoch %", "seconds")
    return Table("block", "", header, lines)


def glance(summary: Summary, intervals: bool) -> Table:
    """One line per block by its name, one column per arm: the mean, and its interval with `intervals`."""
    lines = tuple(
        (Cell(finding.name or "all"), *means(finding, summary.arms, intervals)) for finding in summary.findings
    )
    return Table("glance", GLANCE, ("block", *summary.arms), lines)


def record(summary: Summary) -> dict[str, Any]:
    """The whole summary for a program: numbers in full precision, None where there is none."""
    return {
        "answer": answer.answer(summary),
        "question": _question(summary),
        "counts": summary.counts,
        "rules": {
            "margin": answer.margin(summary.rules),
            "rate_margin": summary.rules.rate_margin,
            "line": summary.rules.line,
        },
        "alpha": summary.alpha,
        "tuning": tuning.record(summary.tuning) if summary.tuning else None,
        "dropped": screening.record(summary.screening) if summary.screening else None,
        "notes": words.notes(summary),
        "unfit": sentences(summary.unfit),
        "blocks": [{**finding.choices, **_block(summary, finding)} for finding in summary.findings],
        "table": frame.arms(summary.findings),
        "pairs": frame.pairs((finding, pair) for finding in summary.findings for pair in finding.pairs),
    }


def _block(summary: Summary, finding: Finding) -> dict[str, Any]:
    return {
        "label": finding.block.label,
        "name": finding.name or "all",
        "verdict": answer.word_of_block(finding),
        "leading": summary.advised(finding).leading,
        "margin_points": finding.margin,
        "test_images": finding.test_images,
        "sentence": sentence(finding),
    }


def _question(summary: Summary) -> dict[str, Any] | None:
    if not summary.rules.question:
        return None
    comparison = summary.question or Question(summary.rules.question, ())
    pairs = [
        {"block": finding.name, "in_full": answer.verdict_in_full(pair, summary.rules), **frame.of_pair(pair)}
        for finding, pair in comparison.pairs
    ]
    return {"arms": list(comparison.arms), "answer": answer.question(summary), "pairs": pairs}
