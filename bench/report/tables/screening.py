"""The arms that screening left behind.

In: a Summary. Out: a Table. Touches: nothing.
"""

from typing import Any

from bench.report.analysis.screening import Screening
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Table
from bench.report.wording.format import DASH, PERCENT, number

DROPPED = (
    "Arms that were dropped before the others were trained in full: after how many seeds, their mean validation "
    "accuracy in percent, and the lowest of an arm of their block that went on."
)


def dropped(summary: Summary) -> Table | None:
    """One line per arm that a rung left behind; None without screening."""
    if summary.screening is None:
        return None
    columns = tuple(summary.screening.arms[0].choices) if summary.screening.arms else ()
    lines = tuple(
        (
            *(Cell(DASH if value is None else str(value)) for value in one.choices.values()),
            Cell(one.name),
            Cell(str(one.why.seeds), one.why.seeds, one.runs),
            Cell("failed")
            if one.why.score is None
            else Cell(number(one.why.score, 1, PERCENT), one.why.score, one.runs),
            Cell(number(one.why.least, 1, PERCENT), one.why.least),
        )
        for one in summary.screening.arms
    )
    header = (*columns, "initializer", "seeds", "validation %", "lowest that went on %")
    return Table("dropped", DROPPED, header, lines, len(columns) + 1, columns)


def record(found: Screening) -> list[dict[str, Any]]:
    """The dropped arms for a program."""
    return [
        {**one.choices, "initializer": one.name, "seeds": one.why.seeds, "score": one.why.score, "least": one.why.least}
        for one in found.arms
    ]
