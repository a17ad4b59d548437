"""Blocks: runs that share every choice but the initializer and the seed, and so can be compared.

An arm is the initializer: its name, with those of its arguments that vary within that name in the study. A block is
every other choice, so no mean ever mixes two configurations.

In: rows. Out: blocks. Touches: nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from bench.rows.unfit import UnfitArm
from bench.schema import WORDS, Row

ALWAYS_SHOWN = ("model", "normalization", "activation")
ORDER = (*ALWAYS_SHOWN, *(word for word in WORDS if word not in ALWAYS_SHOWN))  # of columns; settings come after


@dataclass(frozen=True)
class Block:
    """Runs that differ in initializer and seed alone. `choices` tell this block from the others of its study.

    `arms` holds the runs of each arm by its name, `control` those of the hidden A/A arm (see analysis/control.py), and
    `unfit` the reason of each arm that does not fit the model.
    """

    choices: dict[str, Any]
    arms: dict[str, list[Row]]
    control: dict[str, list[Row]] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The choices as the command line takes them: `model=resnet20 normalization=batch`."""
        return " ".join(f"{column}={value}" for column, value in self.choices.items() if value is not None)


def blocks(rows: Sequence[Row], unfit: Sequence[UnfitArm] = ()) -> list[Block]:
    """The blocks of one study that have rows, sorted by their choices; a choice that a block lacks is None there.

    Their columns are model, normalization and activation, and any other choice that varies. An argument that its name
    implies (`model.depth`, where each model has one) is no column of its own.
    """
    groups = _without_seed(rows)
    varying = _varying([*(group[0] for group in groups), *unfit])
    columns = sorted({*ALWAYS_SHOWN, *(key for _, key in varying if not _of_arm(key))}, key=_position)
    found: dict[str, Block] = {}
    for group in groups:
        choices = {column: _choice(group[0], column) for column in columns}
        block = found.setdefault(repr(choices), Block(choices, defaultdict(list)))  # repr: 1, 1.0 and True are three
        block.arms[_arm(group[0], varying)] += group
    for one in unfit:
        if of_one := found.get(repr({column: _choice(one, column) for column in columns})):
            of_one.unfit[_arm(one, varying)] = one.reason
    return sorted(found.values(), key=lambda block: [natural(value) for value in block.choices.values()])


def compared(found: Iterable[Block]) -> set[frozenset[str]]:
    """The pairs of arms that meet in a block."""
    return {frozenset(pair) for block in found for pair in combinations(block.arms, 2)}


def names(found: Sequence[Block]) -> list[str]:
    """Each block by the choices that tell it from the others: resnet20/batch/relu; a single block has no name ("")."""
    columns = [column for column in found[0].choices if len({repr(block.choices[column]) for block in found}) > 1]
    return ["/".join(short(column, block.choices[column]) for column in columns) for block in found]


def short(column: str, value: Any) -> str:
    """A choice in a name: the value of a word (`relu`), NAME=VALUE of anything else (`learning_rate=0.1`)."""
    return str(value) if column in WORDS else f"{column.rpartition('.')[2]}={value}"


def natural(value: Any) -> tuple[Any, ...]:
    """A sort key for choices of any type: None, then numbers by size, then text with resnet8 before resnet20."""
    if value is None or isinstance(value, (bool, int, float)):
        return 0, value is not None, value or 0, repr(value)
    return 1, [int(digits) if digits.isdigit() else digits for digits in re.split(r"([0-9]+)", str(value))]


def _without_seed(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows in groups that differ in the seed alone: a large study has few, and one row stands for its group."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[repr({**row.choices, "seed": None})].append(row)
    return list(groups.values())


def _arm(row: Row | UnfitArm, varying: set[tuple[str, str]]) -> str:
    name: str = row.choices["initializer"]
    arguments = [key for key in sorted(row.choices) if key.startswith("initializer.") and (name, key) in varying]
    inside = ", ".join(f"{key.partition('.')[2]}={_choice(row, key)}" for key in arguments)
    return f"{name}({inside})" if inside else name


def _varying(rows: Sequence[Row | UnfitArm]) -> set[tuple[str, str]]:
    """(name, key) of each argument that varies within its name, and ("", key) of each other choice that varies."""
    keys = {key for row in rows for key in row.choices} - {"seed"}
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for key in keys:
            word, dot, _ = key.partition(".")
            name = str(row.choices.get(word)) if dot and word in WORDS else ""
            values[name, key].add(repr(_choice(row, key)))
    return {key for key, seen in values.items() if len(seen) > 1}


def _choice(row: Row | UnfitArm, key: str) -> Any:
    return "null" if key in row.choices and row.choices[key] is None else row.choices.get(key)  # None: no such choice


def _of_arm(key: str) -> bool:
    return key.partition(".")[0] == "initializer"


def _position(column: str) -> tuple[int, str]:
    word = column.partition(".")[0]
    return ORDER.index(word) if word in ORDER else len(ORDER), column
