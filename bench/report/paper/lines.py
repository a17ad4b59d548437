"""The lines of a table as HTML: the text of each cell, the value it sorts by, and the runs it links to.

In: Tables. Out: HTML, and the list of all run ids that its cells refer to. Touches: nothing.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from urllib.parse import quote

from markupsafe import Markup, escape

from bench.report.document import Cell, Table
from bench.report.tables.export import numbers

LONG = 40  # letters; a longer text wraps


class Lines:
    """Lines of the tables of one page, which share one list of run ids.

    The first line of a run has its anchor. Ids come in the order of these lines, so that the runs of a cell are few
    ranges of numbers.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        lines = [line for table in tables for line in table.lines]
        own = [line[0].text for line in lines if line[0].is_run]
        cited = [run for line in lines for cell in line for run in cell.runs]
        self.ids = tuple(dict.fromkeys([*own, *cited]))
        self._positions = {run: position for position, run in enumerate(self.ids)}
        self._anchors = set(own)
        self._known: dict[tuple[str, ...], str] = {}

    def html(self, table: Table) -> Iterator[Markup]:
        """The lines, each a `tr`."""
        numeric = numbers(table)
        for line in table.lines:
            run = line[0].text if line[0].is_run else None
            anchor = f' id="{anchored(run)}"' if run in self._anchors else ""
            self._anchors.discard(run or "")
            cells = (self._cell(cell, i < table.labels, numeric[i], run) for i, cell in enumerate(line))
            yield Markup(f"<tr{anchor}>{''.join(cells)}</tr>")

    def _cell(self, cell: Cell, label: bool, numeric: bool, run: str | None) -> str:
        value = "" if cell.value is None or str(cell.value) == cell.text else f' data-value="{escape(cell.value)}"'
        kind = ' class="n"' if numeric else ' class="long"' if len(cell.text) > LONG else ""
        text = str(escape(cell.text))
        if cell.runs and cell.runs != (run,):
            text = f'<a href="#{anchored(cell.runs[0])}" data-runs="{self._ranges(cell.runs)}">{text or "runs"}</a>'
        return f'<th scope="row"{kind}{value}>{text}</th>' if label else f"<td{kind}{value}>{text}</td>"

    def _ranges(self, runs: tuple[str, ...]) -> str:
        """Positions in the list of ids: `0-9,12`."""
        if runs not in self._known:
            self._known[runs] = ",".join(ranges(self._positions[run] for run in runs))
        return self._known[runs]


def anchored(run: str) -> str:
    """The anchor of a run's line, for any id: equal to what encodeURIComponent makes of the id in the page."""
    return "run-" + quote(run, safe="!'()*")


def ranges(positions: Iterable[int]) -> Iterator[str]:
    """Runs of consecutive numbers: 3, 0, 1, 2, 5 are `0-3` and `5`."""
    for _, group in groupby(enumerate(sorted(set(positions))), lambda pair: pair[1] - pair[0]):
        first, *_, last = [position for _, position in group] * 2
        yield str(first) if first == last else f"{first}-{last}"
