"""What the figures draw: each block with its name, its lines of the summary, and the runs of its arms.

In: a Summary and the rows it was made of. Out: panels. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.report.analysis import pairs
from bench.report.analysis.blocks import blocks
from bench.report.analysis.summary import Summary
from bench.schema import Row


@dataclass(frozen=True)
class Panel:
    """A block: its choices, its lines of `Summary.table` by arm (the best first), its runs by arm, and its decimals."""

    name: str
    choices: Mapping[str, Any]
    lines: dict[str, dict[str, Any]]
    runs: dict[str, list[Row]]
    digits: int


def panels_of(summary: Summary, rows: Iterable[Row]) -> list[Panel]:
    """The blocks of a summary in its order, each with the runs of those arms that the summary has a line of."""
    columns = list(summary.blocks.columns[: summary.blocks.columns.get_loc("label")])
    lines: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for line in records(summary.table):
        lines[_key(line, columns)][line["initializer"]] = line
    runs = {block.label(block.choices): block.arms for block in blocks(sorted(rows, key=lambda row: row.id))}
    return [
        Panel(
            name=about["name"] if len(summary.blocks) > 1 else about["label"],
            choices={column: about[column] for column in columns},
            lines=(mine := lines[_key(about, columns)]),
            runs={arm: runs[about["label"]].get(arm, []) for arm in mine},
            digits=pairs.digits(about["margin_points"]),
        )
        for about in records(summary.blocks)
    ]


def arms_of(panels: Iterable[Panel]) -> list[str]:
    """Every arm of the panels, sorted."""
    return sorted({arm for panel in panels for arm in panel.lines})


def best_arms(panels: Sequence[Panel], most: int) -> list[str]:
    """At most so many arms, sorted: those that stand highest in their blocks on average."""
    places: dict[str, list[int]] = defaultdict(list)
    for panel in panels:
        for place, arm in enumerate(panel.lines):
            places[arm].append(place)
    return sorted(sorted(places, key=lambda arm: (sum(places[arm]) / len(places[arm]), arm))[:most])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The lines of a table as dictionaries, None where there is no number."""
    return [
        {str(key): None if isinstance(value, float) and value != value else value for key, value in line.items()}
        for line in table.to_dict("records")
    ]


def _key(line: Mapping[str, Any], columns: Iterable[str]) -> str:
    return repr([line[column] for column in columns])  # repr: 1, 1.0 and True are three
