"""What is compared with what: blocks of runs that share every choice but the initializer and the seed.

An arm is the initializer: its name, with those of its arguments that vary within that name in the study. A block is
every other choice, so no mean ever mixes two configurations.

In: rows. Out: blocks. Touches: nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.schema import WORDS, Row

ALWAYS_SHOWN = ("model", "normalization", "activation")
ORDER = (*ALWAYS_SHOWN, *(word for word in WORDS if word not in ALWAYS_SHOWN))  # of columns; settings come after


@dataclass(frozen=True)
class Block:
    """Runs that differ in initializer and seed alone. `choices` tell this block from the others of its study."""

    choices: dict[str, Any]
    arms: dict[str, list[Row]]

    def label(self, columns: Iterable[str]) -> str:
        """Some of the choices as the command line takes them: `model=resnet20 normalization=batch`."""
        return " ".join(f"{column}={self.choices[column]}" for column in columns if self.choices[column] is not None)


def blocks(rows: Sequence[Row]) -> list[Block]:
    """The blocks of one study, sorted by their choices; a choice that a block lacks is None there.

    Their columns are model, normalization and activation, and any other choice that varies. An argument that its name
    implies (`model.depth`, where each model has one) is no column of its own.
    """
    groups = _but_for_the_seed(rows)
    varying = _varying([group[0] for group in groups])
    columns = sorted({*ALWAYS_SHOWN, *(key for _, key in varying if not _of_arm(key))}, key=_place)
    found: dict[str, Block] = {}
    for group in groups:
        choices = {column: _choice(group[0], column) for column in columns}
        block = found.setdefault(repr(choices), Block(choices, defaultdict(list)))  # repr: 1, 1.0 and True are three
        block.arms[_arm(group[0], varying)] += group
    return sorted(found.values(), key=lambda block: [natural(value) for value in block.choices.values()])


def _but_for_the_seed(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in groups that differ in nothing else: what holds of one holds of all, and a large study has few."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[repr({**row.choices, "seed": None})].append(row)
    return list(groups.values())


def natural(value: Any) -> tuple[Any, ...]:
    """A sort key for choices of any type: None, then numbers by size, then text with resnet8 before resnet20."""
    if value is None or isinstance(value, (bool, int, float)):
        return 0, value is not None, value or 0, repr(value)
    return 1, [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", str(value))]


def _arm(row: Row, varying: set[tuple[str, str]]) -> str:
    name: str = row.choices["initializer"]
    arguments = [key for key in sorted(row.choices) if key.startswith("initializer.") and (name, key) in varying]
    inside = ", ".join(f"{key.partition('.')[2]}={_choice(row, key)}" for key in arguments)
    return f"{name}({inside})" if inside else name


def _varying(rows: Sequence[Row]) -> set[tuple[str, str]]:
    """(name, key) of each argument that varies within its name, and ("", key) of each other choice that varies."""
    keys = {key for row in rows for key in row.choices} - {"seed"}
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for key in keys:
            word, dot, _ = key.partition(".")
            name = str(row.choices.get(word)) if dot and word in WORDS else ""
            values[name, key].add(repr(_choice(row, key)))
    return {place for place, seen in values.items() if len(seen) > 1}


def _choice(row: Row, key: str) -> Any:
    return "null" if key in row.choices and row.choices[key] is None else row.choices.get(key)  # None is: not there


def _of_arm(key: str) -> bool:
    return key.partition(".")[0] == "initializer"


def _place(column: str) -> tuple[int, str]:
    word = column.partition(".")[0]
    return ORDER.index(word) if word in ORDER else len(ORDER), column
