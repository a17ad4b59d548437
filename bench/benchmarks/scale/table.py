"""Scale rows as a table: how long each command takes on a large store, and its peak memory.

In: the rows of `python -m bench scale`. Out: text. Touches: nothing.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from bench.report.grid import Cells
from bench.report.terminal import aligned, piped
from bench.schema import Row, UserError

COMMANDS = ("plan", "status", "report")


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per store, by size: rows, form, then of each command seconds and peak memory in bytes."""
    lines = [{"id": row.id, "rows": row.choices["rows"], "form": row.choices["form"], **row.measures} for row in rows]
    return pd.DataFrame(lines).sort_values(["rows", "form"]).reset_index(drop=True)


def cells(rows: Iterable[Row]) -> Cells:
    """The table as text, in seconds and GB."""
    lines = frame(rows).to_dict("records")
    told = [[f"{one['rows']:,}", one["form"], *(_cell(one, command) for command in COMMANDS)] for one in lines]
    return [["rows", "form", *COMMANDS], *told]


def render(rows: Iterable[Row], format: str = "text") -> str:
    """The table as text, markdown, csv or json (full precision, bytes). Raises UserError for another format."""
    if format == "csv":
        return str(frame(rows).to_csv(index=False, lineterminator="\n"))
    if format == "json":
        return str(frame(rows).to_json(orient="records", indent=1))
    if format not in ("text", "markdown"):
        raise UserError(f"no format is named {format!r}; there are text, markdown, csv and json")
    return "\n".join((aligned if format == "text" else piped)(cells(rows)))


def _cell(one: Mapping[Hashable, Any], command: str) -> str:
    return f"{one[f'{command}_seconds']:.1f} s, {one[f'{command}_peak_memory_bytes'] / 1e9:.2f} GB"
