"""The lines of a table as HTML: what each cell says, what it sorts by, and the runs it leads to.

In: Tables. Out: HTML, and the list of all run ids that its cells count in. Touches: nothing.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from urllib.parse import quote

from markupsafe import Markup, escape

from bench.report.document import Cell, Table
from bench.report.wording.format import DASH

BLANKS = ("", DASH)
LONG = 40  # letters; a longer text wraps


class Lines:
    """Lines of the tables of one page, which share one list of run ids.

    The first line of a run has its anchor. Ids come in the order of these lines, so that the runs of a cell are few
    ranges of numbers.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        lines = [line for table in tables for line in table.lines]
        own = [line[0].text for line in lines if is_run(line)]
        cited = [run for line in lines for cell in line for run in cell.runs]
        self.ids = tuple(dict.fromkeys([*own, *cited]))
        self._places = {run: place for place, run in enumerate(self.ids)}
        self._anchors = set(own)
        self._known: dict[tuple[str, ...], str] = {}

    def html(self, table: Table) -> Iterator[Markup]:
        """The lines, each a `tr`."""
        numeric = numbers(table)
        for line in table.lines:
            run = line[0].text if is_run(line) else None
            anchor = f' id="{anchored(run)}"' if run in self._anchors else ""
            self._anchors.discard(run or "")
            cells = (self._cell(cell, place < table.labels, numeric[place], run) for place, cell in enumerate(line))
            yield Markup(f"<tr{anchor}>{''.join(cells)}</tr>")

    def _cell(self, cell: Cell, label: bool, numeric: bool, run: str | None) -> str:
        value = "" if cell.value is None or str(cell.value) == cell.text else f' data-value="{escape(cell.value)}"'
        kind = ' class="n"' if numeric else ' class="long"' if len(cell.text) > LONG else ""
        text = str(escape(cell.text))
        if cell.runs and cell.runs != (run,):
            text = f'<a href="#{anchored(cell.runs[0])}" data-runs="{self._ranges(cell.runs)}">{text or "runs"}</a>'
        return f'<th scope="row"{kind}{value}>{text}</th>' if label else f"<td{kind}{value}>{text}</td>"

    def _ranges(self, runs: tuple[str, ...]) -> str:
        """Places in the list of ids: `0-9,12`."""
        if runs not in self._known:
            self._known[runs] = ",".join(ranges(self._places[run] for run in runs))
        return self._known[runs]


def is_run(line: tuple[Cell, ...]) -> bool:
    """Whether a line is that of a run: its first cell is the id of the one run that it counts."""
    return line[0].runs == (line[0].text,)


def anchored(run: str) -> str:
    """The anchor of a run's line, whatever stands in its id: what encodeURIComponent makes of it in the page."""
    return "run-" + quote(run, safe="!'()*")


def numbers(table: Table) -> list[bool]:
    """Of each column, whether it sorts as numbers: behind the labels, and at least one cell is a number."""
    columns = zip(*table.lines, strict=True) if table.lines else ((),) * len(table.header)
    return [place >= table.labels and any(map(_is_number, column)) for place, column in enumerate(columns)]


def ranges(places: Iterable[int]) -> Iterator[str]:
    """Runs of consecutive numbers: 3, 0, 1, 2, 5 are `0-3` and `5`."""
    for _, group in groupby(enumerate(sorted(set(places))), lambda pair: pair[1] - pair[0]):
        first, *_, last = [place for _, place in group] * 2
        yield str(first) if first == last else f"{first}-{last}"


def _is_number(cell: Cell) -> bool:
    if isinstance(cell.value, str) or cell.text in BLANKS:
        return False
    try:
        return math.isfinite(float(cell.text if cell.value is None else cell.value))
    except ValueError:
        return False
