"""The summary of a study as a sheet: a table and a sentence per block, the study at a glance, the answer.

In: a Summary. Out: a Sheet. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bench.report.analysis import pairs as decisions
from bench.report.analysis.question import Question
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Part, Section, Sheet, Table, records
from bench.report.grid import TITLE, Cells, grid
from bench.report.statistics.intervals import MANY
from bench.report.wording.format import PERCENT, counted, interval, number, points
from bench.schema import FAILED, PREEMPTED

NOTES = (
    f"Means are over converged runs, with 95 % intervals: Student's t, from {MANY} runs on the studentized bootstrap; "
    "divergence rates have 95 % Wilson intervals. Differences are paired by seed, in percentage points, with 95 % t "
    "intervals each; verdicts are Holm-adjusted over the pairs of a block: real or different by a paired t test, "
    "equivalent by TOST within the margin, even where a small difference is real. The standard deviation is taken as "
    "at least one test image."
)


def sheet(summary: Summary) -> Sheet:
    """The summary for a terminal, for a page and for programs."""
    sections = _blocks(summary)
    answer, notes = f"{summary.answer} {_runs(summary)}", " ".join([NOTES, *summary.notes])
    parts: list[Part] = [*sections, *[Section(TITLE, (_table(grid(summary, intervals=False)),))] * (len(sections) > 1)]
    page: list[Part] = [answer, Section(TITLE, (_table(grid(summary, intervals=True)),)), *sections, notes]
    ending = [notes, answer]
    if summary.question:
        asked = Section(_heading(summary.question), (_question(summary.question),))
        parts, page = [*parts, asked], [summary.question.answer, asked, *page]
        ending.append(summary.question.answer)
    return Sheet((*parts, *ending), summary.table, _record(summary), tuple(page))


def _record(summary: Summary) -> dict[str, Any]:
    return {
        "answer": summary.answer,
        "question": _question_record(summary.question),
        "counts": summary.counts,
        "margin_points": summary.margin_points,
        "alpha": summary.alpha,
        "notes": list(summary.notes),
        "blocks": records(summary.blocks),
        "table": records(summary.table),
        "pairs": records(summary.pairs),
    }


def _blocks(summary: Summary) -> list[Section]:
    choices = list(summary.blocks.columns[: summary.blocks.columns.get_loc("label")])
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in records(summary.table):
        lines[repr([one[column] for column in choices])].append(one)
    return [
        Section(block["label"], (_block(mine, summary.counts, block["margin_points"]), block["sentence"]))
        for block, mine in zip(records(summary.blocks), lines.values(), strict=True)  # the table keeps their order
    ]


def _block(lines: Sequence[dict[str, Any]], counts: dict[str, int], margin_points: float) -> Table:
    lost, digits = [status for status in (FAILED, PREEMPTED) if counts[status]], decisions.digits(margin_points)
    header = ["initializer", "converged", *lost, "test accuracy %", "diverged %", "first epoch %", "seconds"]
    cells = [
        [
            one["initializer"],
            f"{one['converged']} of {one['runs']}",
            *(str(one[status]) for status in lost),
            interval(one, "test_accuracy_mean", "test_accuracy", digits, PERCENT),
            interval(one, "divergence_rate", "divergence_rate", 0, PERCENT),
            number(one["first_epoch_accuracy_mean"], 1, PERCENT),
            number(one["seconds_mean"], 1),
        ]
        for one in lines
    ]
    return _table([header, *cells])


def _heading(question: Question) -> str:
    return f"The question: {' against '.join(question.arms)}, Holm-adjusted over the blocks"


def _question(question: Question) -> Table:
    cells = [["block", "difference in points", "seeds", "verdict"]]
    for block, pair in zip(question.blocks, question.pairs, strict=True):
        digits = decisions.digits(pair.margin_points)
        shown = points(pair.difference_points, pair.low_points, pair.high_points, digits)
        cells.append([block or "all", shown, str(pair.seeds), pair.verdict])
    return _table(cells)


def _question_record(question: Question | None) -> dict[str, Any] | None:
    if question is None:
        return None
    pairs = [{"block": block, **vars(pair)} for block, pair in zip(question.blocks, question.pairs, strict=True)]
    return {"arms": list(question.arms), "answer": question.answer, "pairs": pairs}


def _table(cells: Cells) -> Table:
    header, *lines = cells
    return Table("", "", tuple(header), tuple(tuple(map(Cell, line)) for line in lines))


def _runs(summary: Summary) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items())
    return f"{counted(sum(summary.counts.values()), 'run')}: {counts}."
