"""Rows as they lie there, read by a path of its own: none of its code is that of the store, so that it can judge it.

In: a study's folder. Out: the rows as dictionaries, and what is wrong with what is none. Touches: results/, to read.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.schema import SCHEMA, UserError

TEXTS, OBJECTS = ("id", "study", "status", "digest"), ("choices", "measures", "environment")
KEYS = {*TEXTS, *OBJECTS, "schema", "curve", "error"}
SHOWN = 5  # places of one finding

Findings = defaultdict[str, list[str]]  # what is wrong -> where


@dataclass(frozen=True)
class Raw:
    """A row and where it lies: ID.json, or rows.jsonl:LINE."""

    place: str
    record: Mapping[str, Any]

    @property
    def id(self) -> str:
        """As it says itself."""
        return str(self.record["id"])

    @property
    def choices(self) -> Mapping[str, Any]:
        """What the run was."""
        return dict(self.record["choices"])

    @property
    def environment(self) -> Mapping[str, Any]:
        """Where it was."""
        return dict(self.record["environment"])

    @property
    def trained(self) -> bool:
        """Whether it is a row of the task `train`."""
        return self.choices.get("task") == "train"


def read(folder: Path, findings: Findings) -> list[Raw]:
    """Every whole row once, sorted by id. Raises UserError when the folder cannot be read."""
    whole: dict[str, Raw] = {}
    try:
        for place, text in texts(folder):
            if found := one(place, text, folder.name, findings):
                other = whole.setdefault(found.id, found)
                if other.record["digest"] != found.record["digest"]:
                    findings["another row of the same run differs"].append(f"{place} from {other.place}")
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error
    return [whole[id] for id in sorted(whole)]


def texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The text of each row: first the loose ones, which count before the sealed ones."""
    for path in sorted(folder.glob("[!.]*.json")):
        yield path.name, path.read_bytes()
    sealed = folder / "rows.jsonl"
    if sealed.is_file():
        with sealed.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield f"{sealed.name}:{number}", line


def one(place: str, text: bytes, study: str, findings: Findings) -> Raw | None:
    """The row in a text, if its form is right."""
    try:
        record = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        record = None
    if wrong := malformed(place, text, record):
        findings[wrong].append(place)
        return None
    if record["study"] != study:
        findings[f"its study is not {study}, the name of its folder"].append(place)
    return Raw(place, record)


def malformed(place: str, text: bytes, record: Any) -> str | None:
    """What is wrong with the form of a row, the first thing that is."""
    if not isinstance(record, dict):
        return "no strict JSON object"
    if record.get("schema") != SCHEMA:
        return f"a row of another schema than {SCHEMA}"
    if set(record) != KEYS or not shaped(record):
        return "its keys are not those of a row"
    digested = re.sub(rb', "digest": "[0-9a-f]{64}"\}[\r\n]*\Z', b"", text)
    if hashlib.sha256(digested).hexdigest() != record["digest"]:
        return "its digest is not that of its content: edited or damaged"
    if record["id"] != identity(record["choices"]):
        return "its id is not that of its choices"
    return None if place.startswith(("rows.jsonl:", f"{record['id']}.")) else "its file does not bear its id"


def shaped(record: Mapping[str, Any]) -> bool:
    """Whether each key has what it should have: a text, an object, a list of objects."""
    objects = [record[key] for key in OBJECTS] + (record["curve"] if isinstance(record["curve"], list) else [None])
    return all(isinstance(record[key], str) for key in TEXTS) and all(isinstance(one, dict) for one in objects)


def identity(choices: Mapping[str, Any]) -> str:
    """The id of a run, computed from its choices: the first 8 bytes of the sha256 of their sorted JSON."""
    text = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode(dict(choices))
    return hashlib.new("sha256", text.encode("ascii")).digest()[:8].hex()


def told(findings: Mapping[str, list[str]]) -> list[str]:
    """Each finding as a line: what is wrong, in how many places, the first of them."""
    return [
        f"{what}: {', '.join(places[:SHOWN])}" + (f", ... ({len(places)} in all)" if len(places) > SHOWN else "")
        for what, places in findings.items()
    ]


def _no_number(name: str) -> None:
    raise ValueError(name)


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    if len(dict(listed)) < len(listed):
        raise ValueError("a key stands twice")
    return dict(listed)
