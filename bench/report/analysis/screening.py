"""Which arms of a study were dropped before the others were trained in full, and why.

In: rows, the rules of the study. Out: DroppedArms. Touches: nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.report.analysis.blocks import blocks
from bench.report.analysis.control import set_apart
from bench.report.analysis.rules import Rules
from bench.rows.screening import Dropped, is_screening, screened
from bench.rows.tuning import grid, shared_value
from bench.schema import Row


@dataclass(frozen=True)
class DroppedArm:
    """An arm that a rung left behind, in the block of these choices; `runs` are the ids of its screening runs."""

    choices: Mapping[str, Any]
    name: str
    why: Dropped
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Screening:
    """The arms that were dropped, the number of screening runs, and whether every block is through its rungs."""

    arms: tuple[DroppedArm, ...]
    runs: int
    complete: bool


def screening(rows: Sequence[Row], rules: Rules) -> Screening | None:
    """What the screening rows of a study left behind; None where it screens nothing. Raises UserError as `screened`."""
    screen, tune = rules.screen, rules.tune
    tried = {row.id: row for row in rows if screen and is_screening(row.choices, screen)}
    if screen is None or not tried:
        return None
    key = tune.key if tune else None
    alike = [
        replace(row, choices={one: row.choices[one] for one in row.choices if one != key}) for row in tried.values()
    ]
    found, complete = list[DroppedArm](), True
    for block in set_apart(blocks(alike)):
        arms = {name: [tried[row.id] for row in mine] for name, mine in block.arms.items()}
        first = next(iter(arms.values()))[0].choices
        values: Sequence[Any] = grid(tune, shared_value(tune, first)) if tune else [None]
        always = [name for name in arms if arms[name][0].choices["initializer"] in rules.question]
        result = screened(arms, screen, key, values, always)
        complete &= result.complete
        found += [
            DroppedArm(block.choices, name, why, tuple(row.id for row in arms[name]))
            for name, why in result.dropped.items()
        ]
    return Screening(tuple(found), len(tried), complete)
