"""A summary as text for a terminal, markdown for a page, csv or json for a program.

In: a Summary. Out: text. Touches: nothing.
"""

import json
import math
import textwrap
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from bench.report.analysis import pairs as decisions
from bench.report.analysis.pairs import Pair
from bench.report.analysis.question import Question
from bench.report.analysis.summary import Summary
from bench.report.grid import TITLE, Cells, grid
from bench.report.statistics.intervals import MANY
from bench.schema import FAILED, PREEMPTED, UserError

NOTES = (
    f"Means are over converged runs, with 95 % intervals: Student's t, from {MANY} runs on the studentized bootstrap; "
    "divergence rates have 95 % Wilson intervals. Differences are paired by seed, in percentage points, with 95 % t "
    "intervals each; verdicts are Holm-adjusted over the pairs of a block: real or different by a paired t test, "
    "equivalent by TOST within the margin, even where a small difference is real. The standard deviation is taken as "
    "at least one test image."
)


def render(summary: Summary, format: str = "text", width: int = 100) -> str:
    """The summary as `format`: text, markdown, csv (the table alone, full precision) or json (everything, strict JSON).

    `width` wraps the sentences of text, in characters. Raises UserError for another format.
    """
    if format not in FORMATS:
        raise UserError(f"no format is named {format!r}; there are {', '.join(FORMATS)}")
    return FORMATS[format](summary, width)


def pairs_csv(summary: Summary) -> str:
    """All pairs of arms as csv, full precision."""
    return str(summary.pairs.to_csv(index=False, lineterminator="\n"))


def _text(summary: Summary, width: int) -> str:
    parts = []
    for label, cells, sentence in _blocks(summary):
        parts.append("\n".join([label, *aligned(cells), "", *wrapped(sentence, width, "  ")]))
    if len(parts) > 1:
        parts.append("\n".join([TITLE, *aligned(grid(summary, intervals=False))]))
    ending = [*wrapped(_notes(summary), width), "", *wrapped(f"{summary.answer} {_runs(summary)}", width)]
    if summary.question:
        parts.append("\n".join([_asked(summary.question), *aligned(_question(summary.question))]))
        ending += ["", *wrapped(summary.question.answer, width)]
    return "\n\n".join([*parts, "\n".join(ending)]) + "\n"


def _markdown(summary: Summary, width: int) -> str:
    parts = [f"{summary.answer} {_runs(summary)}"]
    if summary.question:
        asked = summary.question
        parts = [asked.answer, f"### {_asked(asked)}", "\n".join(piped(_question(asked))), *parts]
    parts += [f"### {TITLE}", "\n".join(piped(grid(summary, intervals=True)))]
    for label, cells, sentence in _blocks(summary):
        parts += [f"### {label}", "\n".join(piped(cells)), sentence]
    return "\n\n".join([*parts, _notes(summary)]) + "\n"


def _csv(summary: Summary, width: int) -> str:
    return str(summary.table.to_csv(index=False, lineterminator="\n"))


def _json(summary: Summary, width: int) -> str:
    document = {
        "answer": summary.answer,
        "question": _asked_record(summary.question),
        "counts": summary.counts,
        "margin_points": summary.margin_points,
        "alpha": summary.alpha,
        "notes": list(summary.notes),
        "blocks": _records(summary.blocks),
        "table": _records(summary.table),
        "pairs": _records(summary.pairs),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Summary, int], str]] = {"text": _text, "markdown": _markdown, "csv": _csv, "json": _json}


def _blocks(summary: Summary) -> list[tuple[str, Cells, str]]:
    """Label, cells and sentence of each block."""
    choices = list(summary.blocks.columns[: summary.blocks.columns.get_loc("label")])
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in _records(summary.table):
        lines[repr([one[column] for column in choices])].append(one)
    return [
        (block["label"], _cells(mine, summary.counts, decisions.digits(block["margin_points"])), block["sentence"])
        for block, mine in zip(
            _records(summary.blocks), lines.values(), strict=True
        )  # the table keeps the blocks' order
    ]


def _asked(question: Question) -> str:
    return f"The question: {' against '.join(question.arms)}, Holm-adjusted over the blocks"


def _question(question: Question) -> Cells:
    cells = [["block", "difference in points", "seeds", "verdict"]]
    for block, pair in zip(question.blocks, question.pairs, strict=True):
        digits = decisions.digits(pair.margin_points)
        cells.append([block or "all", _points(pair, digits), str(pair.seeds), pair.verdict])
    return cells


def _points(pair: Pair, digits: int) -> str:
    if pair.difference_points is None:
        return "-"
    interval = "" if pair.low_points is None else f" [{pair.low_points:.{digits}f}, {pair.high_points:.{digits}f}]"
    return f"{round(pair.difference_points, digits) + 0.0:+.{digits}f}{interval}"  # + 0.0 turns -0.0 into 0.0


def _asked_record(question: Question | None) -> dict[str, Any] | None:
    if question is None:
        return None
    pairs = [{"block": block, **vars(pair)} for block, pair in zip(question.blocks, question.pairs, strict=True)]
    return {"arms": list(question.arms), "answer": question.answer, "pairs": pairs}


def _cells(lines: Sequence[dict[str, Any]], counts: dict[str, int], digits: int) -> Cells:
    lost = [status for status in (FAILED, PREEMPTED) if counts[status]]
    header = ["initializer", "converged", *lost, "test accuracy %", "diverged %", "first epoch %", "seconds"]
    return [
        header,
        *(
            [
                one["initializer"],
                f"{one['converged']} of {one['runs']}",
                *(str(one[status]) for status in lost),
                _interval(one, "test_accuracy_mean", "test_accuracy", digits),
                _interval(one, "divergence_rate", "divergence_rate", 0),
                _number(one["first_epoch_accuracy_mean"], 100, 1),
                _number(one["seconds_mean"], 1, 1),
            ]
            for one in lines
        ),
    ]


def _interval(one: dict[str, Any], value: str, bounds: str, digits: int) -> str:
    if one[f"{bounds}_low"] is None:
        return _number(one[value], 100, digits)
    low, high = (_number(one[f"{bounds}_{end}"], 100, digits) for end in ("low", "high"))
    return f"{_number(one[value], 100, digits)} [{low}, {high}]"


def _number(value: float | None, factor: float, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"


def aligned(cells: Cells) -> list[str]:
    """Lines of text, their columns under each other."""
    widths = [max(len(line[index]) for line in cells) for index in range(len(cells[0]))]
    return [
        "  "
        + "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in cells
    ]


def piped(cells: Cells) -> list[str]:
    """Lines of a markdown table."""
    rule = ["---", *("---:" for _ in cells[0][1:])]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in (cells[0], rule, *cells[1:])
    ]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most so many characters."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _notes(summary: Summary) -> str:
    return " ".join([NOTES, *summary.notes])


def _runs(summary: Summary) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items())
    total = sum(summary.counts.values())
    return f"{total} run{'s' * (total != 1)}: {counts}."


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): _plain(value) for key, value in record.items()} for record in table.to_dict("records")]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
