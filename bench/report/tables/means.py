"""The rows of a task that compares no arms: the mean of each measure, for each arm of each block.

In: rows. Out: a Sheet. Touches: nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from bench.report.analysis.blocks import blocks
from bench.report.analysis.frame import checked
from bench.report.analysis.study_log import mean_curves
from bench.report.document import Cell, Sheet, Table, records
from bench.report.statistics import Estimate, mean
from bench.report.wording.format import DASH, interval
from bench.schema import OK, Row
from bench.signal.sparkline import of_powers

NOTES = "Means over the runs that are ok, with 95 % intervals where there are two of them or more."


def sheet(rows: Iterable[Row]) -> Sheet:
    """One line per block and arm, one column per measure. Raises UserError for no rows, and for a doubled row."""
    rows = checked(rows)
    measures = sorted({name for row in rows for name, value in row.measures.items() if value is not None})
    lines = list(_lines(rows, measures))
    frame = pd.DataFrame([{**about, **_numbers(means)} for about, means in lines])
    labels = len(frame.columns) - len(_numbers(lines[0][1])) - 1
    header = (*frame.columns[: labels + 1], *measures)
    cells = [(*(Cell(str(one), one) for one in about.values()), *map(_cell, means.values())) for about, means in lines]
    table = Table("means", NOTES, header, tuple(cells), labels)
    return Sheet((table, tuple(_sparklines(rows)), NOTES), frame, {"table": records(frame)})


def _sparklines(rows: Sequence[Row]) -> Iterator[str]:
    """The second moment along depth of each arm of each block, where the rows have it."""
    for name, points in mean_curves(rows).get("second_moment", {}).items():
        yield f"{of_powers([value for _, value in points])}  second moment along depth: {name}"


def _lines(rows: Sequence[Row], measures: Sequence[str]) -> Iterator[tuple[dict[str, Any], dict[str, Estimate | None]]]:
    """Of each arm: its block, its name and its number of runs; the mean of each measure, None where a run has none."""
    for block in blocks(rows):
        for arm in sorted(block.arms):
            ended = [row for row in block.arms[arm] if row.status == OK]
            values = {name: [row.measures.get(name) for row in ended] for name in measures}
            means = {name: _mean(found) for name, found in values.items()}
            yield {**block.choices, "initializer": arm, "runs": len(block.arms[arm])}, means


def _mean(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def _numbers(means: dict[str, Estimate | None]) -> dict[str, float | None]:
    """The columns of some means: the value and its bounds."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {name + end: getattr(one, key, None) for name, one in means.items() for end, key in ends.items()}


def _cell(one: Estimate | None) -> Cell:
    return Cell(DASH) if one is None else Cell(interval(one.value, one.low, one.high, 4), one.value)
