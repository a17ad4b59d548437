"""The store: one file per run, written whole or not at all, and verified when it is read.

In: rows. Out: rows, and remarks on other files among them. Touches: results/, which nothing else writes.
"""

import contextlib
import itertools
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from bench.machine.files import os_reason, read_whole, write_whole
from bench.rows import reading, unfit
from bench.rows.checkpoints import Checkpoints
from bench.rows.leases import Leases
from bench.rows.reading import SEALED, Reading
from bench.rows.record import AnotherSchema, parse, text_of
from bench.rows.unfit import UNFIT, UnfitArm
from bench.schema import DIVERGED, FINAL, OK, SCHEMA, Row, UserError

__all__ = ["PLAN", "SEALED", "Reading", "Store", "studies"]

PLAN = "plan.txt"
DECLARED = "study.txt"
CLAIM = "claim.txt"
LATER = "later="  # in a plan: the number of runs that may follow
STALE_S = 3600  # a temporary file this old belongs to a writer that was killed


class Store:
    """The rows of one study, in results/STUDY.

    A million rows fit (`python -m bench scale` measures it). Beyond that, memory runs out first, since `read` returns
    all rows at once, some 4 kB each without their curves; then the folder of loose files becomes slow to list. Parquet
    files partitioned by study and block, queried by DuckDB, would hold a hundred times as many rows: a class with the
    same methods, whose `read` takes columns and blocks, could replace this one.
    """

    def __init__(self, results: str | Path, study: str) -> None:
        """Raises UserError when `study` is not a plain folder name."""
        if not _is_study_name(study):
            raise UserError(
                f"{study!r} cannot name a study: take letters, digits, '.', '_' and '-', and no leading dot"
            )
        self.folder = Path(results) / study

    def prepare(self) -> None:
        """Make the folder and check, before anything is computed, that rows can be written there.

        Raises UserError with the operating system's reason when they cannot.
        """
        probe = self.folder / ".probe"
        write_whole(probe, "can this be written?\n")
        probe.unlink(missing_ok=True)  # a second sweep may probe at the same time
        self._remove_stale()

    def write(self, row: Row) -> None:
        """Write the row to its file; a number that is not finite becomes null.

        Raises UserError when the disk refuses, which leaves an earlier row unchanged, and when the file holds a row of
        another schema; ValueError when readers would refuse the row.
        """
        text = text_of(row)
        parse(text)
        path = self.folder / f"{row.id}.json"
        _holds_a_row(path)
        write_whole(path, text)
        if row.status in (OK, DIVERGED):  # a failed run that is tried again may go on from its checkpoint
            self.checkpoints(row.id).remove()

    def leases(self, expiry_s: float) -> Leases:
        """The leases on runs; one from another machine is stale once it was not touched for `expiry_s` seconds."""
        return Leases(self.folder / "leases", expiry_s)

    def tidy(self, done: Collection[str], expiry_s: float) -> None:
        """Delete what dead processes left of runs that are done, and empty folders; `expiry_s` as for `leases`."""
        leases = self.leases(expiry_s)
        leases.tidy(done)
        if not leases.folder.exists():  # else a process that trains may be about to write into the folder below
            with contextlib.suppress(OSError):
                (self.folder / "checkpoints").rmdir()

    def checkpoints(self, id: str) -> Checkpoints:
        """The checkpoints of one run, which are deleted when its result is written."""
        return Checkpoints(self.folder / "checkpoints", id)

    def read(self, curves: bool = True) -> Reading:
        """All rows, loose and sealed, as `reading.read` finds them; nothing is changed on the disk."""
        return reading.read(self.folder, curves)

    def row(self, id: str) -> Row | None:
        """The row in the run's own file; None where there is no whole one."""
        with contextlib.suppress(OSError, ValueError):
            return reading.read_loose(self.folder / f"{id}.json")
        return None

    def status(self, id: str) -> str | None:
        """The status in that row; None where there is no row."""
        row = self.row(id)
        return row.status if row else None

    def finished(self, seen: Collection[str]) -> dict[str, str]:
        """The status of every finished run that has a file of its own and is not in `seen`.

        For a progress bar that calls it often: it lists the folder, reads only the new files, and raises nothing.
        """
        found = {}
        with contextlib.suppress(UserError):
            for path in reading.loose(self.folder):
                if path.stem not in seen and reading.has_row_name(path):
                    with contextlib.suppress(OSError, ValueError):
                        found[path.stem] = reading.read_loose(path).status
        return {id: status for id, status in found.items() if status in FINAL}

    def seal(self) -> int:
        """Write all rows into one file to commit, sorted by id, and return their number; loose files stay.

        Sealing again changes nothing. Raises UserError when there is no row, or when the folder holds something that
        cannot be read and of which there is no whole copy.
        """
        found = self.read()
        if ends := [remark for remark in found.remarks if remark not in found.redundant]:
            raise UserError(f"{self.folder} is not sealed; first see to this: {'; '.join(ends)}")
        if not found.rows:
            raise UserError(f"{self.folder} holds no row to seal")
        write_whole(self.folder / SEALED, "".join(text_of(row) for _, row in sorted(found.rows.items())))
        return len(found.rows)

    def make_way(self, ids: Iterable[str]) -> None:
        """Make sure, before anything is trained, that the rows of these runs can be written.

        A file that has the name of one of these rows is renamed: to ID.json.retried if it is a row, to .broken if not.
        A result stays, since another sweep may just have written it. Raises UserError, before anything is renamed, for
        a row of another schema.
        """
        paths = [self.folder / f"{id}.json" for id in ids]
        endings = {path: "retried" if _holds_a_row(path) else "broken" for path in filter(os.path.lexists, paths)}
        for path, ending in endings.items():
            if self.status(path.stem) not in (OK, DIVERGED):
                path.rename(_free_name(path, ending))

    def retried(self) -> Counter[str]:
        """How often each failed run was to be tried again, whether it was or not, by id."""
        return Counter(path.name.partition(".")[0] for path in self.folder.glob("*.json.retried*"))

    def write_plan(self, ids: Iterable[str], left_out: Iterable[UnfitArm] = (), later: int = 0) -> None:
        """Write down the runs of the sweep, what it leaves out, and how many may follow `later`.

        For reports, and for commands in another shell.
        """
        ids = list(ids)
        self.leave_out(left_out, ids)
        write_whole(self.folder / PLAN, "".join(f"{id}\n" for id in ids) + f"{LATER}{later}\n" * bool(later))

    def leave_out(self, arms: Iterable[UnfitArm], fitting: Iterable[str]) -> None:
        """Add these arms to those that do not fit their model, and drop those with a run among the fitting ones."""
        earlier = unfit.read(self.folder)
        if (found := unfit.after(earlier, arms, fitting)) != earlier:
            write_whole(self.folder / UNFIT, unfit.text_of(found))

    def read_plan(self) -> list[str] | None:
        """The ids of the runs of the last sweep; None when there was no sweep.

        Raises UserError for a plan that cannot be read.
        """
        lines = self._lines(PLAN)
        return None if lines is None else [line for line in lines if not line.startswith(LATER)]

    def read_later(self) -> int:
        """How many runs may follow those of the last sweep."""
        found = [line.removeprefix(LATER) for line in self._lines(PLAN) or () if line.startswith(LATER)]
        return int(found[0]) if found and found[0].isdigit() else 0

    def write_declared(self, words: Sequence[str]) -> None:
        """Write down how the study is declared beside its yaml, as words of a command line; nothing for no words."""
        if words:
            write_whole(self.folder / DECLARED, "".join(f"{word}\n" for word in words))
        else:
            (self.folder / DECLARED).unlink(missing_ok=True)

    def read_declared(self) -> list[str]:
        """The words by which the last sweep declared the study, beside its yaml."""
        return self._lines(DECLARED) or []

    def register(self, digest: str) -> None:
        """Write down the digest of the claim for which the first rows of this folder are made; later ones change none.

        A folder whose rows have none keeps it so: it is not known what the claim said when they were made.
        """
        if not self.read(curves=False).rows:
            write_whole(self.folder / CLAIM, f"{digest}\n")

    def registered(self) -> str | None:
        """The digest of the claim when the first rows were made; None where it is not known."""
        return next(iter(self._lines(CLAIM) or ()), None)

    def _lines(self, name: str) -> list[str] | None:
        path = self.folder / name
        try:
            return read_whole(path).decode(errors="replace").split()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            way_out = "move it away, and the next sweep writes another"
            raise UserError(f"cannot read {path}: {os_reason(error)}; {way_out}") from error

    def _remove_stale(self) -> None:
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()
        for id in {path.name.partition(".")[0] for path in (self.folder / "checkpoints").glob("*.pt")}:
            if self.status(id) in (OK, DIVERGED):  # the writer was killed before it deleted them
                self.checkpoints(id).remove()


def studies(results: str | Path) -> list[str]:
    """The studies under `results`: its folders with a row or a plan, and those that cannot be read."""
    found = [name for name in reading.names(Path(results)) if _is_study_name(name)]
    return [name for name in found if _may_hold_a_study(Path(results) / name)]


def _may_hold_a_study(folder: Path) -> bool:
    try:
        return holds_a_study(folder)
    except UserError:
        return True


def _is_study_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) is not None


def holds_a_study(folder: Path) -> bool:
    """Whether a folder is that of a study: it has a row or a plan. Raises UserError where it cannot be read."""
    return folder.is_dir() and any(
        name in (PLAN, SEALED) or reading.has_row_name(folder / name) for name in reading.names(folder)
    )


def _holds_a_row(path: Path) -> bool:
    """Whether the file holds a row. Raises UserError for a row of another schema, which must not be overwritten."""
    try:
        parse(read_whole(path))
    except AnotherSchema as schema:
        raise UserError(
            f"{path} holds a row of {schema}, this version writes schema {SCHEMA}: it is not overwritten; "
            "choose another folder with results=DIR"
        ) from schema
    except (OSError, ValueError):
        return False
    return True


def _free_name(path: Path, ending: str) -> Path:
    names = itertools.chain([f"{path.name}.{ending}"], (f"{path.name}.{ending}.{n}" for n in itertools.count(2)))
    return next(free for free in map(path.with_name, names) if not free.exists())
