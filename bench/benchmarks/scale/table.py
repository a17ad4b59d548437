"""Scale rows as a table: how long each command takes on a large store, and its peak memory.

In: the rows of `python -m bench scale`. Out: a Table, a Sheet. Touches: nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bench.report.document import Cell, Sheet, Table, records
from bench.report.tables.page import page
from bench.schema import Row

COMMANDS = ("plan", "status", "report")
GIGABYTE = 1e9
CAPTION = "Time and memory of the commands, by store."
NOTES = "Seconds and peak memory of each command on a store of synthetic rows, loose or sealed in one file."
AGAIN = (
    "Beyond a million rows memory ends first, then the listing of the folder; `bench/rows/store.py` says what would "
    "carry it. `python -m bench scale rows=N form=sealed` measures it again."
)


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per store, by size: rows, form, then of each command seconds and peak memory in bytes."""
    lines = [{"id": row.id, "rows": row.choices["rows"], "form": row.choices["form"], **row.measures} for row in rows]
    return pd.DataFrame(lines).sort_values(["rows", "form"]).reset_index(drop=True)


def table(rows: Iterable[Row]) -> Table:
    """One line per store, one column per command: seconds and GB. The value of a cell is its seconds."""
    lines = tuple(
        (Cell(f"{one['rows']:,}", one["rows"]), Cell(one["form"]), *(_cell(one, command) for command in COMMANDS))
        for one in records(frame(rows))
    )
    return Table("scale", CAPTION, ("rows", "form", *COMMANDS), lines)


def sheet(rows: Iterable[Row]) -> Sheet:
    """The table; a line per store for csv and json, in seconds and bytes."""
    rows = list(rows)
    shown = table(rows)
    made = page("How long the commands take on a large store", rows, NOTES, shown, _places(rows), AGAIN)
    return Sheet((shown,), frame(rows), {"table": records(frame(rows))}, made)


def _places(rows: Iterable[Row]) -> str:
    places = {f"{row.environment['processor']}, {row.environment['cores']} cores." for row in rows}
    return " ".join(sorted(places))


def _cell(one: Mapping[str, Any], command: str) -> Cell:
    seconds, memory = one[f"{command}_seconds"], one[f"{command}_peak_memory_bytes"]
    return Cell(f"{seconds:.1f} s, {memory / GIGABYTE:.2f} GB", seconds)
