"""Merges the rows of several machines: nothing twice, nothing lost, no two results for one run.

In: folders of rows. Out: their rows in this results/, counts, and a sentence for each row that was not taken.
Touches: results/ through the store; the merged folders are only read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.rows import reading
from bench.rows.store import Store, holds_a_study, studies
from bench.schema import FAILED, PREEMPTED, Row, UserError

# measures that depend on the machine and its load, not on the run alone
CIRCUMSTANCES = ("seconds", "images_per_second", "peak_memory_bytes")
WORTH = {PREEMPTED: 0, FAILED: 1}  # of two rows for one run the one of greater worth counts; a result has worth 2


@dataclass
class Merged:
    """How many rows were new, replaced a failed or preempted row, or equalled a present row; and what was not taken."""

    new: int = 0
    replaced: int = 0
    equal: int = 0
    remarks: list[str] = field(default_factory=list)


def merge(folders: Sequence[Path], results: str | Path, study: str | None = None) -> Merged:
    """Write each row that `results` lacks into its study; only rows of `study` if one is named.

    A row that is present stays: an equal one from the folders is counted, a different one is reported with both paths
    and stays where it is, so that no result is chosen for the user. A result replaces a failed or preempted row.
    A second merge changes nothing; after a kill it goes on where the first ended.
    Raises UserError for a folder without rows, and when a row cannot be written.
    """
    merged, present = Merged(), dict[str, dict[str, Row]]()
    study_folders = [source for folder in folders for source in sources(folder)]  # all, before anything is written
    for folder in study_folders:
        try:
            found = reading.read(folder)
        except UserError as unreadable:
            merged.remarks.append(str(unreadable))
            continue
        merged.remarks += found.remarks
        for row in found.rows.values():
            if study in (None, row.study):
                _take(row, folder, Path(results), present, merged)
        for name in present.keys() & {row.study for row in found.rows.values()}:
            Store(results, name).leave_out(found.unfit, present[name])
    if not any((merged.new, merged.replaced, merged.equal, merged.remarks)):
        of, where = f" of study {study}" if study else "", ", ".join(map(str, folders))
        raise UserError(f"there is no row{of} in {where}; name a results folder or one of its studies")
    return merged


def sources(folder: Path) -> Iterator[Path]:
    """The study folders that `folder` is or contains. Raises UserError when there are none."""
    inside = [folder] if holds_a_study(folder) else [folder / name for name in studies(folder)]
    if not inside:
        raise UserError(f"{folder} holds no rows; name a results folder or one of its studies")
    yield from inside


def content(row: Row) -> dict[str, Any]:
    """The result of a run without where, when and how fast: equal for two rows of one run that agree."""
    measures = {key: value for key, value in row.measures.items() if key not in CIRCUMSTANCES}
    return {"status": row.status, **measures, "curve": row.curve}


def _take(row: Row, folder: Path, results: Path, present: dict[str, dict[str, Row]], merged: Merged) -> None:
    try:
        store = Store(results, row.study)
    except UserError as bad:
        merged.remarks.append(f"run {row.id} in {folder} is left there: {bad}")
        return
    if row.study not in present:
        present[row.study] = store.read().rows
    there = present[row.study].get(row.id)
    if there is None or _worth(row) > _worth(there):
        store.make_way([row.id])
        store.write(row)
        present[row.study][row.id] = row
        merged.new += there is None
        merged.replaced += there is not None
    elif _agree(row, there):
        merged.equal += 1
    else:
        merged.remarks.append(_conflict(row, there, folder, store.folder))


def _agree(row: Row, there: Row) -> bool:
    """Whether two rows do not contradict each other: two failures never do, whatever their causes."""
    return _worth(row) < _worth(there) or row.status in WORTH or content(row) == content(there)


def _worth(row: Row) -> int:
    return WORTH.get(row.status, 2)


def _conflict(row: Row, there: Row, folder: Path, home: Path) -> str:
    theirs, ours = content(row), content(there)
    keys = sorted(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
    differing = ", ".join(key if key == "curve" else f"{key} {ours.get(key)} and {theirs.get(key)}" for key in keys)
    where = f"in {home} and in {folder}"
    return f"run {row.id} has two different rows, {where}: {differing}. Each stays where it is; remove one"
