"""The rows whose choices meet the conditions `where.KEY=VALUE,VALUE` of a command line.

In: rows and conditions. Out: the rows that meet them all. Touches: nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.registry import unknown
from bench.schema import Row, UserError


def kept(rows: Iterable[Row], conditions: Sequence[str]) -> list[Row]:
    """The rows whose choices meet every condition, each `KEY=VALUE` or `KEY=VALUE,VALUE`, as text.

    Raises UserError for a key that no row has, and for a value that no row left by the conditions before has.
    """
    left = list(rows)
    for condition in conditions:
        _check(left, *_key_and_values(condition))
        left = [row for row in left if meets(row.choices, [condition])]
    return left


def meets(choices: Mapping[str, Any], conditions: Sequence[str]) -> bool:
    """Whether choices meet every condition."""
    return all(_text(choices, key) in values for key, values in map(_key_and_values, conditions))


def _key_and_values(condition: str) -> tuple[str, list[str]]:
    key, _, wanted = condition.partition("=")
    return key, wanted.split(",")


def _check(rows: Sequence[Row], key: str, values: Sequence[str]) -> None:
    keys = {key for row in rows for key in row.choices}
    if key not in keys:
        raise UserError(unknown("choice of these runs", key, keys))
    there = {_text(row.choices, key) for row in rows if key in row.choices}
    for value in values:
        if value not in there:
            raise UserError(f"no run has {key}={value}; there are {', '.join(sorted(there))}")


def _text(choices: Mapping[str, Any], key: str) -> str:
    value = choices.get(key)
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
