"""Reads a study's folder: its rows, a remark on each file or line that looks like a row and is not read as one, and
the arms that its sweeps have left out.

In: a folder. Out: rows and remarks. Touches: results/, which it only reads.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine.files import opened, os_reason, read_whole
from bench.rows import unfit
from bench.rows.record import AnotherSchema, parse
from bench.rows.unfit import UnfitArm
from bench.schema import SCHEMA, Row, UserError

SEALED = "rows.jsonl"
FIRST_KEY = re.compile(rb'\{"id": "([0-9a-f]{16})"')


@dataclass(frozen=True)
class Reading:
    """The rows of a study's folder by id, and one sentence for everything else that looked like a row.

    `redundant` are the remarks on a damaged copy of a row of which another copy is whole. `unread` gives, by id, why a
    row that is present does not count. `differing` names the places of rows that differ from an
    earlier whole row of the same run, which they replace. `unfit` are the arms that do not fit their model.
    """

    rows: dict[str, Row]
    remarks: list[str]
    redundant: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    unfit: list[UnfitArm] = field(default_factory=list)

    @property
    def left_out(self) -> dict[str, UnfitArm]:
        """The arm of each run that is left out, by its id; a run with a row is not."""
        return {id: arm for arm in self.unfit for id in arm.runs if id not in self.rows}


def read(folder: Path, curves: bool = True) -> Reading:
    """All rows, loose and sealed; a loose row wins over a sealed one of the same id.

    A run whose row is damaged or of another schema counts as not done. curves=False leaves out the curves, which take
    most of a large study's memory. Raises UserError for a folder that exists and cannot be read.
    """
    found = _Found(folder, curves)
    for number, line in enumerate(_lines(folder / SEALED), start=1):
        found.take(f"{SEALED}:{number}", _id_in(line), line)
    for path in loose(folder):
        if has_row_name(path):
            with suppress(FileNotFoundError):  # moved by a sweep since the folder was listed
                found.take(path.name, path.stem, path)
        else:
            found.remarks.append(f"{path} is not named like a row: it is left alone")
    return found.reading()


def read_loose(path: Path) -> Row:
    """The row in a file of its own. Raises ValueError as `parse` does, and OSError where it cannot be read."""
    return _named(parse(read_whole(path)), path.stem)


def loose(folder: Path) -> Iterator[Path]:
    """The files that should hold one row each, sorted by name."""
    return (folder / name for name in names(folder) if name.endswith(".json"))


def has_row_name(path: Path) -> bool:
    """Whether a file is named ID.json."""
    return re.fullmatch(r"[0-9a-f]{16}\.json", path.name) is not None


def names(folder: Path) -> list[str]:
    """The sorted names in the folder without hidden ones (some systems leave ._ID.json beside ID.json)."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot read {folder}: {os_reason(error)}; choose another folder with results=DIR") from error


class _Found:
    """The rows and remarks of a reading so far."""

    def __init__(self, folder: Path, curves: bool) -> None:
        self.folder, self.curves = folder, curves
        self.rows: dict[str, Row] = {}
        self.remarks: list[str] = []
        self.damaged: list[tuple[str, str]] = []  # the id of the run, and what is wrong
        self.foreign: list[str] = []
        self.unread: dict[str, str] = {}
        self.differing: list[str] = []
        self.strings: dict[str, str] = {}

    def take(self, place: str, id: str, content: bytes | Path) -> None:
        """Add one row, or a remark on what should be one; raises FileNotFoundError when the file is gone."""
        try:
            row = _named(parse(content), id) if isinstance(content, bytes) else read_loose(content)
        except AnotherSchema as schema:
            self.foreign.append(place)
            self.unread[id] = f"{self.folder / place} is a row of {schema}, and this version reads schema {SCHEMA}"
        except ValueError as reason:
            self._damage(id, f"{self.folder / place} is not a whole row ({reason})")
        except FileNotFoundError:
            raise
        except OSError as error:
            self._damage(id, f"{self.folder / place} cannot be read ({os_reason(error)})")
        else:
            row, before = self._slim(row), self.rows.get(row.id)
            if before not in (None, row):
                self.differing.append(place)
            self.rows[row.id] = row

    def reading(self) -> Reading:
        """The rows, and a remark on everything else."""
        redundant = [f"{what}; another copy of it is whole, and counts" for id, what in self.damaged if id in self.rows]
        lost = [f"{what}; its run counts as not done" for id, what in self.damaged if id not in self.rows]
        unread = {id: what for id, what in self.unread.items() if id not in self.rows}
        remarks = [*self.remarks, *redundant, *lost, *self._on_foreign()]
        return Reading(self.rows, remarks, redundant, unread, self.differing, unfit.read(self.folder))

    def _damage(self, id: str, what: str) -> None:
        self.damaged.append((id, what))
        self.unread[id] = what

    def _on_foreign(self) -> list[str]:
        if not self.foreign:
            return []
        some = ", ".join(self.foreign[:3]) + (", ..." if len(self.foreign) > 3 else "")
        return [
            f"{self.folder} holds rows of another schema than {SCHEMA}: {len(self.foreign)} ({some}). They stay where "
            "they are and are not read: read them with the version that wrote them, and run this study with results=DIR"
        ]

    def _slim(self, row: Row) -> Row:
        """The same row in half the memory: all rows of a study share their strings."""
        row.choices, row.measures = self._shared(row.choices), self._shared(row.measures)
        row.environment = self._shared(row.environment)
        row.curve = [self._shared(entry) for entry in row.curve] if self.curves else []
        return row

    def _shared(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        one = self.strings.setdefault
        return {one(key, key): one(value, value) if type(value) is str else value for key, value in fields.items()}


def _named(row: Row, id: str) -> Row:
    if row.id != id:
        raise ValueError("its file is not named by its id")
    return row


def _id_in(line: bytes) -> str:
    """The id at the beginning of a sealed line, even of a damaged one; "" where the id is damaged too."""
    found = FIRST_KEY.match(line)
    return found[1].decode() if found else ""


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with opened(path) as file:
            yield from file
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        way_out = "move it away, or choose another folder with results=DIR"
        raise UserError(f"cannot read {path}: {os_reason(error)}; {way_out}") from error
