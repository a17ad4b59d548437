"""The store: one file per run, written whole or not at all, and believed for its content alone.

In: rows. Out: rows, and a remark on whatever else lies among them. Touches: results/, which nothing else writes.
"""

import contextlib
import itertools
import os
import re
import secrets
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.rows.record import AnotherSchema, parse, text_of
from bench.schema import FINAL, SCHEMA, Row, UserError

SEALED = "rows.jsonl"
PLAN = "plan.txt"
STALE_S = 3600  # a temporary file this old belongs to a writer that was killed


@dataclass(frozen=True)
class Reading:
    """What a study's folder holds: the rows by id, and one sentence for everything else that looked like a row."""

    rows: dict[str, Row]
    remarks: list[str]


class Store:
    """The rows of one study, in results/STUDY."""

    def __init__(self, results: str | Path, study: str) -> None:
        """Raises UserError when `study` is not a plain folder name."""
        if not _is_study_name(study):
            raise UserError(
                f"{study!r} cannot name a study: take letters, digits, '.', '_' and '-', and no leading dot"
            )
        self.folder = Path(results) / study

    def prepare(self) -> None:
        """Make the folder, and prove before anything is computed that rows can be written there.

        Raises UserError with the operating system's reason when they cannot.
        """
        probe = self.folder / ".probe"
        _write_whole(probe, "can this be written?\n")
        probe.unlink(missing_ok=True)  # a second sweep may probe at the same time
        self._remove_stale()

    def write(self, row: Row) -> None:
        """Put the row in its file; a number that is not finite becomes null.

        Raises UserError when the disk refuses, which leaves an earlier row as it was, and when the file holds a row of
        another schema; ValueError when no reader would believe the row.
        """
        text = text_of(row, indent=1)
        parse(text)
        path = self.folder / f"{row.id}.json"
        _refuse_another_schema(path)
        _write_whole(path, text)

    def read(self) -> Reading:
        """All rows, loose and sealed; a loose one wins over a sealed one of the same id.

        What is no whole row is moved aside and its run counts as not done; rows of another schema stay where they are.
        Raises UserError when the folder is there and cannot be read.
        """
        rows, remarks, foreign = self._read_sealed()
        for path in self._loose():
            if not _has_row_name(path):
                remarks.append(f"{path} is not named as a row is: it is left alone")
                continue
            try:
                row = _read_loose(path)
            except FileNotFoundError:
                continue  # moved aside by another reader
            except AnotherSchema:
                foreign.append(path.name)
            except ValueError as reason:
                remarks.append(_move_aside(path, reason))
            except OSError as error:
                remarks.append(f"{path} cannot be read: {_reason(error)}; its run counts as not done")
            else:
                rows[row.id] = row
        return Reading(rows, remarks + self._remark_on(foreign))

    def finished(self, seen: Collection[str]) -> dict[str, str]:
        """The status of every finished run that has a file of its own and is not in `seen`.

        For a progress bar that asks often: it lists the folder, reads the new files alone, moves and raises nothing.
        """
        found = {}
        with contextlib.suppress(UserError):
            for path in self._loose():
                if path.stem not in seen and _has_row_name(path):
                    with contextlib.suppress(OSError, ValueError):
                        found[path.stem] = _read_loose(path).status
        return {id: status for id, status in found.items() if status in FINAL}

    def seal(self) -> int:
        """Write all rows into one file to commit, sorted by id, and return their number; loose files stay.

        Raises UserError when there is none, or when reading leaves a remark: a sealed study has no loose ends.
        """
        reading = self.read()
        if reading.remarks:
            raise UserError(f"{self.folder} is not sealed; first see to this: {'; '.join(reading.remarks)}")
        if not reading.rows:
            raise UserError(f"{self.folder} holds no row to seal")
        _write_whole(self.folder / SEALED, "".join(text_of(row) for _, row in sorted(reading.rows.items())))
        return len(reading.rows)

    def make_way(self, ids: Iterable[str]) -> None:
        """Be sure, before anything is trained, that the rows of these runs can be written.

        The row of a failed run that is done again is kept under another name. Raises UserError when a row of another
        schema stands in the place of one of them.
        """
        paths = [self.folder / f"{id}.json" for id in ids]
        for path in paths:
            _refuse_another_schema(path)
        for path in filter(Path.exists, paths):
            path.rename(_free_name(path, "retried"))

    def write_plan(self, ids: Iterable[str]) -> None:
        """Say what the sweep sets out to do, for whoever asks from a second shell."""
        _write_whole(self.folder / PLAN, "".join(f"{id}\n" for id in ids))

    def read_plan(self) -> list[str] | None:
        """The ids the last sweep set out to do; None when none ever did."""
        try:
            return (self.folder / PLAN).read_text(encoding="utf-8").split()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _read_sealed(self) -> tuple[dict[str, Row], list[str], list[str]]:
        path = self.folder / SEALED
        rows: dict[str, Row] = {}
        remarks, foreign = [], []
        for number, line in enumerate(_lines(path), start=1):
            try:
                row = parse(line)
            except AnotherSchema:
                foreign.append(f"{SEALED}:{number}")
            except ValueError as reason:
                remarks.append(f"{path}:{number} is not a whole row ({reason}); its run counts as not done")
            else:
                rows[row.id] = row
        return rows, remarks, foreign

    def _remark_on(self, foreign: list[str]) -> list[str]:
        if not foreign:
            return []
        names = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        return [
            f"{self.folder} holds rows of another schema than {SCHEMA}: {len(foreign)} ({names}). They stay where they "
            "are and are not read: read them with the version that wrote them, and run this study with results=DIR"
        ]

    def _loose(self) -> Iterator[Path]:
        return (self.folder / name for name in _names(self.folder) if name.endswith(".json"))

    def _remove_stale(self) -> None:
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()


def studies(results: str | Path) -> list[str]:
    """The studies under `results`: its folders with a row or a plan."""
    return [name for name in _names(Path(results)) if _is_study_name(name) and _holds_a_study(Path(results) / name)]


def _is_study_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) is not None


def _has_row_name(path: Path) -> bool:
    return re.fullmatch(r"[0-9a-f]{16}\.json", path.name) is not None


def _holds_a_study(folder: Path) -> bool:
    return folder.is_dir() and any(name in (PLAN, SEALED) or name.endswith(".json") for name in _names(folder))


def _names(folder: Path) -> list[str]:
    """The sorted names in the folder but the hidden ones (some systems leave ._ID.json beside ID.json)."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot read {folder}: {_reason(error)}; choose another folder with results=DIR") from error


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot read {path}: {_reason(error)}") from error


def _read_loose(path: Path) -> Row:
    row = parse(path.read_bytes())
    if row.id != path.stem:
        raise ValueError("its file does not bear its id")
    return row


def _refuse_another_schema(path: Path) -> None:
    try:
        parse(path.read_bytes())
    except AnotherSchema as schema:
        raise UserError(
            f"{path} holds a row of {schema}, this version writes schema {SCHEMA}: it is not overwritten; "
            "choose another folder with results=DIR"
        ) from schema
    except (OSError, ValueError):
        pass  # no row to protect


def _move_aside(path: Path, reason: ValueError) -> str:
    """Rename to NAME.broken, or NAME.broken.2 and so on, and say so."""
    aside = _free_name(path, "broken")
    try:
        path.rename(aside)
    except OSError as error:
        return f"{path} is not a whole row ({reason}) and cannot be moved: {_reason(error)}; its run counts as not done"
    return f"{path} is not a whole row ({reason}): moved to {aside.name}, its run will be done again"


def _free_name(path: Path, ending: str) -> Path:
    names = itertools.chain([f"{path.name}.{ending}"], (f"{path.name}.{ending}.{n}" for n in itertools.count(2)))
    return next(free for free in map(path.with_name, names) if not free.exists())


def _write_whole(path: Path, text: str) -> None:
    """Replace the file in one step that no kill or power cut can split; UserError leaves it as it was."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path.name} in {path.parent}: {_reason(error)}; what was there is untouched. "
            "Make room, or choose another folder with results=DIR"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut; where a file system cannot, the file is whole all the same."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
