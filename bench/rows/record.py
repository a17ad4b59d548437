"""A row as strict JSON, and back.

In: a row, or a text. Out: a text, or a row. Touches: nothing.

A row is one line, the same bytes in a file of its own and among sealed ones. Its last key is a digest, the sha256 of
all bytes before it, so that a reader detects any edit, even of one digit of a measure.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from bench.rows.redaction import redacted
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
OPTIONAL: dict[str, type] = {"correct": str}  # keys of those rows alone that have a value for them
DIGEST = b', "digest": "'  # between the digested bytes and their digest


class AnotherSchema(ValueError):
    """The row has the schema of another version of this program."""


def text_of(row: Row) -> str:
    """The row as one line of JSON with a line feed at its end; a number that is not finite becomes null."""
    record = {key: _finite(getattr(row, key)) for key in KINDS}
    record |= {key: value for key in OPTIONAL if (value := getattr(row, key)) is not None}
    if row.error:
        record["error"] = {
            key: redacted(value) if isinstance(value, str) else value for key, value in row.error.items()
        }
    body = json.dumps(record, allow_nan=False)[:-1].encode()
    return (body + DIGEST + _ending(body)).decode() + "\n"


def parse(text: str | bytes) -> Row:
    """The row in the text. Raises ValueError, with the reason, for a text that is not a whole, unedited row."""
    data = text.encode() if isinstance(text, str) else text
    body, digest, ending = data.rpartition(DIGEST)
    if digest and ending.rstrip(b"\r\n") != _ending(body):
        raise ValueError("edited or damaged: its digest does not match its content")
    try:
        record = _DECODER.decode(data.decode())
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if record.get("schema", SCHEMA) != SCHEMA:
        raise AnotherSchema(f"schema {record['schema']}")
    kinds = KINDS | {key: kind for key, kind in OPTIONAL.items() if key in record}
    wrong = [key for key, kind in kinds.items() if key not in record or not isinstance(record[key], kind)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: missing or of the wrong type")
    if more := record.keys() - {*kinds, "digest"}:
        raise ValueError(f"edited: {', '.join(sorted(more))} is no key of a row")
    if not digest:
        raise ValueError("edited: it has no digest")
    row = Row(**{key: record[key] for key in kinds})
    _check(row)
    return row


def _ending(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b'"}'


def _check(row: Row) -> None:
    if row.status not in (*FINAL, PREEMPTED):
        raise ValueError(f"unknown status {row.status!r}")
    if not all(isinstance(entry, dict) for entry in row.curve):
        raise ValueError("an entry of the curve is not an object")
    if not all(value is None or isinstance(value, int | float) for value in row.measures.values()):
        raise ValueError("a measure is not a number")
    if row.id != Run(row.study, row.choices).id:
        raise ValueError("its id does not match its choices")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
