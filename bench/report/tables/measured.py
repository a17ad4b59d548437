"""What was measured beside training: the throughput of initializers, the coverage of intervals.

In: the rows of those commands. Out: Tables. Touches: nothing.
"""

import re
from collections.abc import Sequence

from bench.benchmarks.throughput import table as speeds
from bench.report.analysis import coverage as intervals
from bench.report.document import Cell, Table
from bench.report.grid import Cells
from bench.report.tables.markdown import escaped
from bench.schema import Row


def throughput(rows: Sequence[Row]) -> Table:
    """Millions of weights per second by law and target, next to other libraries; the figure is called throughput."""
    return of_text("speed", speeds.NOTES, speeds.cells(speeds.frame(rows)), 2)


def coverage(rows: Sequence[Row]) -> Table:
    """Coverage of each method at each n and shape, and whether the report uses it."""
    cells = intervals.cells(rows)
    return of_text(
        "coverage", intervals.notes(rows), cells, sum(not number(text) for text in cells[1]) if cells[1:] else 1
    )


def of_text(name: str, caption: str, cells: Cells, labels: int) -> Table:
    """A table of text, its header first; a cell that begins with a number sorts by it."""
    header, *lines = cells
    return Table(
        name,
        escaped(caption),
        tuple(header),
        tuple(
            tuple(Cell(text, number(text) if place >= labels else None) for place, text in enumerate(line))
            for line in lines
        ),
        labels,
        tuple(header[:labels]),
    )


def number(text: str) -> float | None:
    """The number that a text begins with."""
    found = re.match(r"[-+]?[0-9]+(\.[0-9]+)?", text)
    return float(found[0]) if found else None
