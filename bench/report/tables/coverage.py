"""Coverage rows as a table: how often each kind of interval covers, and whether a report uses it there.

In: the rows of `python -m bench coverage`. Out: a Table, a Sheet. Touches: nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.report.analysis.coverage import NAMES, SLACK, frame, sentences
from bench.report.document import Cell, Sheet, Table, records
from bench.report.statistics.simulation import SHAPES
from bench.report.tables.page import page
from bench.report.wording.format import DASH, PERCENT, interval
from bench.schema import Row

USED, FAILS, UNUSED = "used", "used, does not cover", "not used"
CAPTION = "Coverage in percent of each kind of interval, by shape and number of runs."
AGAIN = "`python -m bench coverage` simulates all cases again in under two minutes on one core."


def table(rows: Sequence[Row]) -> Table:
    """One line per shape and number of runs, one column per method: its coverage in percent, and whether it is used."""
    lines = records(frame(rows))
    methods = [name for name in NAMES if name in {one["method"] for one in lines}]
    found = {(one["level"], one["shape"], one["n"], one["method"]): one for one in lines}
    names = ("level", "shape") if len({one["level"] for one in lines}) > 1 else ("shape",)
    cells = [
        (
            *(Cell(f"{PERCENT * level:g}", PERCENT * level), Cell(shape))[-len(names) :],
            Cell(str(n), n),
            *(_cell(found.get((level, shape, n, method))) for method in methods),
        )
        for level, shape, n in dict.fromkeys(key[:3] for key in found)
    ]
    return Table("coverage", CAPTION, (*names, "n", *methods), tuple(cells), len(names), names)


def sheet(rows: Iterable[Row]) -> Sheet:
    """The table, the sentences and how to read them; a line per case for csv."""
    rows = list(rows)
    lines, found = frame(rows), sentences(rows)
    shown, said, notes = table(rows), " ".join(found), _notes(rows)
    made = page("How often intervals cover", rows, said, shown, notes, AGAIN)
    return Sheet((shown, said, notes), lines, {"sentences": found, "table": records(lines)}, made)


def _cell(one: Mapping[str, Any] | None) -> Cell:
    if one is None:
        return Cell(DASH)
    use = (USED if one["covers"] else FAILS) if one["used"] else UNUSED
    shown = interval(one["coverage"], one["coverage_low"], one["coverage_high"], 1, PERCENT)
    return Cell(f"{shown} {use}", PERCENT * one["coverage"])


def _notes(rows: Sequence[Row]) -> str:
    counts = " or ".join(str(count) for count in sorted({row.choices["simulations"] for row in rows}))
    return (
        f"Coverage in percent of {counts} simulated arms of n runs [95 % Wilson interval]; an arm with fewer than two "
        f"values has no interval. Does not cover: more than {100 * SLACK:g} points off the level. {_shapes(rows)}"
    )


def _shapes(rows: Iterable[Row]) -> str:
    there = {row.choices["shape"] for row in rows}
    return "Shapes: " + "; ".join(f"{name}: {shape.law}" for name, shape in SHAPES.items() if name in there) + "."
