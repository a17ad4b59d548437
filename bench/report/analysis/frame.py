"""Rows laid flat, one line per run, for whoever wants to look with pandas.

In: rows. Out: a DataFrame. Touches: nothing.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from bench.schema import Row, UserError


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per run, sorted by id: id, study, status, every choice, every measure, then environment.* and error.*.

    What a run lacks is missing in its line (NaN). A measure that shares its name with a choice is called measure.NAME.
    Units are those of the row: fractions, seconds, bytes.
    Raises UserError for no rows, and for a run that stands in them twice, since it would count twice.
    """
    rows = checked(rows)
    # as objects first: pandas would turn the choice 2 into 2.0 beside a missing one, and those are two runs
    table = pd.DataFrame([_record(row) for row in rows], dtype=object)
    for column in table:
        if table[column].map(type).nunique() == 1:
            table[column] = table[column].infer_objects()
    measures = {_measure(row, name) for row in rows for name in row.measures}
    return table.astype(dict.fromkeys(measures, float))


def checked(rows: Iterable[Row]) -> list[Row]:
    """The rows sorted by id, once it is sure that there are some and that none is there twice; else UserError."""
    rows = sorted(rows, key=lambda row: row.id)
    if not rows:
        raise UserError("there are no rows to report; make some with `python -m bench sweep`")
    for id, count in Counter(row.id for row in rows).items():
        if count > 1:
            raise UserError(f"run {id} stands {count} times in these rows; keep one of them, or it would count twice")
    return rows


def _record(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "study": row.study,
        "status": row.status,
        **row.choices,
        **{_measure(row, name): value for name, value in row.measures.items()},
        **{f"environment.{key}": value for key, value in row.environment.items()},
        **{f"error.{key}": value for key, value in (row.error or {}).items()},
    }


def _measure(row: Row, name: str) -> str:
    return f"measure.{name}" if name in row.choices else name
