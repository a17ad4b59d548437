"""A row as strict JSON, and back: what is written is believed, and nothing else is.

In: a row, or a text. Out: a text, or a row. Touches: nothing.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from bench.schema import FINAL, PREEMPTED, SCHEMA, Row, Run

KINDS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "study": str,
    "schema": int,
    "status": str,
    "choices": dict,
    "measures": dict,
    "curve": list,
    "environment": dict,
    "error": (dict, type(None)),
}


class AnotherSchema(ValueError):
    """A row that another version of this program wrote."""


def text_of(row: Row, indent: int | None = None) -> str:
    """The row as JSON with a line feed at its end; null for every number that is not finite."""
    record = {key: _finite(getattr(row, key)) for key in KINDS}
    return json.dumps(record, indent=indent, allow_nan=False) + "\n"


def parse(text: str | bytes) -> Row:
    """The row in the text. Raises ValueError with the reason when it is not one, whole and ours."""
    try:
        record = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if record.get("schema", SCHEMA) != SCHEMA:
        raise AnotherSchema(f"schema {record['schema']}")
    wrong = [key for key, kind in KINDS.items() if key not in record or not isinstance(record[key], kind)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: missing or of the wrong type")
    row = Row(**{key: record[key] for key in KINDS})
    _check(row)
    return row


def _check(row: Row) -> None:
    if row.status not in (*FINAL, PREEMPTED):
        raise ValueError(f"unknown status {row.status!r}")
    if not all(isinstance(entry, dict) for entry in row.curve):
        raise ValueError("an entry of the curve is no object")
    if not all(value is None or isinstance(value, int | float) for value in row.measures.values()):
        raise ValueError("a measure is no number")
    if row.id != Run(row.study, row.choices).id:
        raise ValueError("its id is not that of its choices")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
