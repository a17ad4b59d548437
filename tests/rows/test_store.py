import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.machine.files import read_whole
from bench.rows.record import text_of
from bench.rows.store import Reading, Store, studies
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, SCHEMA, Row, Run, UserError


def row(seed: int = 0, status: str = OK, **fields: Any) -> Row:
    choices = {"task": "train", "initializer": "he_normal", "initializer.scale": 2.0, "seed": seed}
    return Row(Run("study", choices).id, "study", status, choices, **fields)


def file_of(store: Store, row: Row) -> Path:
    return store.folder / f"{row.id}.json"


def names(store: Store) -> list[str]:
    return sorted(os.listdir(store.folder))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results", "study")
    store.prepare()
    return store


@pytest.fixture
def closed(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the store whose names this user may not list."""
    folder = store.folder.parent / "closed"
    folder.mkdir()
    listed = os.listdir

    def refusing(path: Any) -> list[str]:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listed(path)

    monkeypatch.setattr(os, "listdir", refusing)
    return folder


# one row


def test_a_row_is_read_as_it_was_written(store: Store) -> None:
    written = row(
        status=FAILED,
        measures={"test_accuracy": 0.1 + 0.2, "bytes": 2**60, "loss": None},
        curve=[{"epoch": 0, "loss": 2.5}],
        environment={"device": "cpu", "nested": {"names": ["é", "σ"]}},
        error={"class": "error", "cause": "KeyError: 'é'", "traceback": "line\nline"},
    )
    store.write(written)
    assert store.read() == Reading({written.id: written}, [])


def test_a_written_row_leaves_one_file_of_strict_json_and_nothing_else(store: Store) -> None:
    store.write(row())
    assert names(store) == [f"{row().id}.json"]
    record = json.loads(file_of(store, row()).read_text())
    assert list(record) == [
        "id", "study", "schema", "status", "choices", "measures", "curve", "environment", "error", "digest"
    ]  # fmt: skip
    assert record["schema"] == SCHEMA


def test_a_number_that_is_not_finite_is_written_as_null(store: Store) -> None:
    store.write(row(status=DIVERGED, measures={"a": float("nan"), "b": 1.0}, curve=[{"loss": float("-inf")}]))
    text = file_of(store, row()).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    read = store.read().rows[row().id]
    assert read.measures == {"a": None, "b": 1.0}
    assert read.curve == [{"loss": None}]


@pytest.mark.parametrize(
    "unbelievable",
    [
        replace(row(), id="0123456789abcdef"),
        replace(row(), status="fine"),
        row(curve=[3]),
        row(measures={"test_accuracy": "high"}),
    ],
)
def test_a_row_that_no_reader_would_believe_is_not_written(store: Store, unbelievable: Row) -> None:
    with pytest.raises(ValueError, match=r"id|status|curve|measure"):
        store.write(unbelievable)
    assert names(store) == []


def test_a_later_row_takes_the_place_of_the_earlier_one(store: Store) -> None:
    store.write(row(status=PREEMPTED))
    store.write(row(status=OK))
    assert store.read().rows[row().id].status == OK


def test_a_row_of_another_schema_is_not_overwritten(store: Store) -> None:
    record = json.dumps({"id": row().id, "schema": SCHEMA + 1})
    file_of(store, row()).write_text(record)
    with pytest.raises(UserError, match=f"{row().id}.json holds a row of schema {SCHEMA + 1}.*results=DIR"):
        store.write(row())
    assert file_of(store, row()).read_text() == record


# the folder


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "/a", "a b", "a\n", "é", "a\0b"])
def test_a_study_whose_name_is_no_plain_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a study"):
        Store(tmp_path, name)


def test_preparing_makes_the_folder_and_leaves_it_empty(store: Store) -> None:
    assert names(store) == []


def test_results_that_are_a_file_are_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match=r"results/study: Not a directory.*results=DIR"):
        Store(tmp_path / "results", "study").prepare()


def test_a_folder_that_cannot_be_written_is_refused_with_the_reason(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")  # root may write anywhere, so that no mode bits can test this

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"results/study: Permission denied.*results=DIR"):
        store.prepare()


def test_a_killed_writers_file_is_removed_once_it_is_old_and_no_other(store: Store) -> None:
    old, young = store.folder / ".a.1.b.tmp", store.folder / ".c.2.d.tmp"
    for path in (old, young):
        path.write_text("")
    os.utime(old, (time.time() - 7200,) * 2)
    store.prepare()
    assert names(store) == [young.name]


def test_an_empty_folder_of_checkpoints_is_deleted_once_no_process_trains(store: Store) -> None:
    (store.folder / "checkpoints").mkdir()
    with store.leases(60).held(row(1).id):
        store.tidy({row().id}, 60)
        assert names(store) == ["checkpoints", "leases"]
    (store.folder / "checkpoints" / "of another run").write_text("")
    store.tidy({row().id}, 60)
    assert names(store) == ["checkpoints"]
    (store.folder / "checkpoints" / "of another run").unlink()
    store.tidy({row().id}, 60)
    assert names(store) == []


def test_studies_are_the_folders_with_a_row_or_a_plan(tmp_path: Path, store: Store) -> None:
    results = store.folder.parent
    assert studies(tmp_path / "nowhere") == []
    assert studies(results) == []
    store.write_plan([])
    Store(results, "with_rows").write(row())
    (results / "a_file").write_text("")
    (results / "notes").mkdir()
    (results / "notes" / "package.json").write_text("{}")
    (results / ".hidden").mkdir()
    (results / ".hidden" / "plan.txt").write_text("")
    assert studies(results) == ["study", "with_rows"]


def test_a_folder_that_cannot_be_read_may_be_a_study_and_hides_no_other(store: Store, closed: Path) -> None:
    store.write_plan([])
    assert studies(store.folder.parent) == ["closed", "study"]


def test_a_plan_that_is_no_file_is_refused_with_the_way_out(store: Store) -> None:
    os.mkfifo(store.folder / "plan.txt")
    with pytest.raises(UserError, match=r"plan\.txt: it is not a regular file; move it away"):
        store.read_plan()


def test_a_plan_is_read_as_it_was_written_and_replaced_by_the_next(store: Store) -> None:
    assert store.read_plan() is None
    for ids in (["b", "a", "c"], []):
        store.write_plan(ids)
        assert store.read_plan() == ids
    assert names(store) == ["plan.txt"]


# reading what lies there


def test_a_study_that_never_ran_has_no_rows_and_no_remarks(tmp_path: Path) -> None:
    assert Store(tmp_path, "never").read() == Reading({}, [])


def signed(**changes: Any) -> str:
    """A row that was changed by somebody who knows how to make its digest."""
    record = {key: value for key, value in json.loads(text_of(row())).items() if key != "digest"} | changes
    body = json.dumps({key: value for key, value in record.items() if value != "left out"})[:-1]
    return f'{body}, "digest": "{hashlib.sha256(body.encode()).hexdigest()}"}}'


BROKEN = {
    "empty": "",
    "half": signed()[: len(signed()) // 2],
    "no object": "[]",
    "not a number of JSON": signed(measures={"loss": float("nan")}),
    "not text": b"\xff\xfe\x00",
    "too deep": "[" * 100_000,
    "no digest": json.dumps({key: value for key, value in json.loads(signed()).items() if key != "digest"}),
    "another text of the same content": json.dumps(json.loads(signed()), indent=1),
    "something after it": signed() + "{}",
    "another id": signed(id="0123456789abcdef"),
    "another run": signed(choices={"seed": 1}),
    "unknown status": signed(status="fine"),
    "no choices": signed(choices=None),
    "no error key": signed(error="left out"),
    "a curve of numbers": signed(curve=[1.0]),
    "a measure in words": signed(measures={"loss": "low"}),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_whole_row_is_named_and_counts_as_not_done(store: Store, content: str | bytes) -> None:
    file_of(store, row()).write_bytes(content if isinstance(content, bytes) else content.encode())
    store.write(row(1))
    before = names(store)
    reading = store.read()
    assert list(reading.rows) == [row(1).id]
    assert len(reading.remarks) == 1
    assert f"{row().id}.json is not a whole row" in reading.remarks[0]
    assert "counts as not done" in reading.remarks[0]
    assert store.finished(()) == {row(1).id: OK}
    assert names(store) == before


def test_every_single_flipped_byte_of_a_row_is_noticed_loose_and_sealed(store: Store) -> None:
    store.write(row(measures={"test_accuracy": 0.9722}, environment={"name": "é"}))
    store.write(row(1))
    store.seal()
    loose, sealed = file_of(store, row()), store.folder / "rows.jsonl"
    whole, all_sealed = loose.read_bytes(), sealed.read_bytes()
    first = all_sealed.index(whole)
    for place in range(len(whole) - 1):  # the line feed at the end is no part of the row
        for bit in (1, 16):
            flipped = bytearray(whole)
            flipped[place] ^= bit
            loose.write_bytes(flipped)
            assert str(loose) in store.read().remarks[0], (place, bit)
            loose.write_bytes(whole)
            sealed.write_bytes(all_sealed[:first] + flipped + all_sealed[first + len(whole) :])
            assert str(sealed) in store.read().remarks[0], (place, bit)
            sealed.write_bytes(all_sealed)
    assert store.read().remarks == []


def test_a_row_under_the_name_of_another_is_not_believed(store: Store) -> None:
    store.write(row(0))
    file_of(store, row(1)).write_bytes(file_of(store, row(0)).read_bytes())
    reading = store.read()
    assert list(reading.rows) == [row(0).id]
    assert file_of(store, row(1)).name in reading.remarks[0]


def test_a_file_that_is_not_named_like_a_row_is_left_alone_and_named(store: Store) -> None:
    store.write(row())
    notes = store.folder / "notes.json"
    notes.write_text("{}")
    reading = store.read()
    assert list(reading.rows) == [row().id]
    assert "notes.json is not named like a row" in reading.remarks[0]
    assert notes.read_text() == "{}"
    assert list(store.finished(())) == [row().id]


def test_what_is_no_row_makes_way_for_the_row_and_is_kept(store: Store) -> None:
    for half in ("{", "{{", "{{{"):
        file_of(store, row()).write_text(half)
        store.make_way([row().id])
    contents = sorted(path.read_text() for path in store.folder.glob("*.json.broken*"))
    assert contents == ["{", "{{", "{{{"]


def test_a_run_whose_row_was_broken_can_be_done_again(store: Store) -> None:
    file_of(store, row()).write_text("{")
    store.make_way([row().id])
    store.write(row())
    assert store.read() == Reading({row().id: row()}, [])


def test_rows_of_another_schema_stay_and_are_named_and_not_mixed_in(store: Store) -> None:
    store.write(row(0))
    file_of(store, row(1)).write_text(json.dumps({"id": row(1).id, "schema": SCHEMA + 1}))
    reading = store.read()
    assert list(reading.rows) == [row(0).id]
    assert len(reading.remarks) == 1
    assert f"another schema than {SCHEMA}: 1 ({row(1).id}.json)" in reading.remarks[0]
    assert file_of(store, row(1)).exists()


def test_a_row_that_cannot_be_opened_is_named_and_left(store: Store) -> None:
    file_of(store, row()).mkdir()
    reading = store.read()
    assert reading.rows == {}
    assert "cannot be read (Is a directory)" in reading.remarks[0]
    assert file_of(store, row()).exists()


def test_hidden_files_and_other_files_are_no_rows(store: Store) -> None:
    for name in ("._x.json", ".x.tmp", "notes.txt", "x.json.broken"):
        (store.folder / name).write_text("{")
    assert store.read() == Reading({}, [])


# sealed rows


def test_sealed_rows_are_read_like_loose_ones_and_a_loose_one_wins(store: Store) -> None:
    store.write(row(0, PREEMPTED))
    store.write(row(1))
    assert store.seal() == 2
    for path in store.folder.glob("*.json"):
        path.unlink()
    assert {id: read.status for id, read in store.read().rows.items()} == {row(0).id: PREEMPTED, row(1).id: OK}
    store.write(row(0, OK))
    rows = {row(0).id: row(0), row(1).id: row(1)}
    assert store.read() == Reading(rows, [], differing=[f"{row(0).id}.json"])


def test_sealing_the_same_rows_gives_the_same_bytes_whatever_the_order_they_came_in(tmp_path: Path) -> None:
    sealed = []
    for order in ([0, 1, 2], [2, 0, 1]):
        store = Store(tmp_path / str(order[0]), "study")
        for seed in order:
            store.write(row(seed))
        store.seal()
        sealed.append((store.folder / "rows.jsonl").read_bytes())
    assert sealed[0] == sealed[1]


def test_a_broken_sealed_line_is_named_by_file_and_line_and_the_others_count(store: Store) -> None:
    for seed in range(3):
        store.write(row(seed))
    store.seal()
    for path in store.folder.glob("*.json"):
        path.unlink()
    sealed = store.folder / "rows.jsonl"
    lines = sealed.read_text().splitlines()
    foreign = json.dumps({"id": "0123456789abcdef", "schema": SCHEMA - 1})
    sealed.write_text("\n".join([lines[0], lines[1][:-9], foreign]))
    reading = store.read()
    assert list(reading.rows) == [json.loads(lines[0])["id"]]
    assert "rows.jsonl:2 is not a whole row" in reading.remarks[0]
    assert "(rows.jsonl:3)" in reading.remarks[1]
    assert sealed.exists()


def test_a_damaged_sealed_line_whose_run_was_done_again_is_named_and_gone_at_the_next_sealing(store: Store) -> None:
    for seed in range(2):
        store.write(row(seed))
    store.seal()
    sealed = store.folder / "rows.jsonl"
    whole = sealed.read_bytes()
    sealed.write_bytes(whole.replace(b'"ok"', b'"OK"', 1))
    reading = store.read()
    assert set(reading.rows) == {row(0).id, row(1).id}
    assert "rows.jsonl:1 is not a whole row" in reading.remarks[0]
    assert "another copy of it is whole" in reading.remarks[0]
    store.seal()
    assert sealed.read_bytes() == whole
    assert store.read().remarks == []


def test_sealing_twice_changes_no_byte_and_a_sealed_row_is_its_file(store: Store) -> None:
    for seed in range(3):
        store.write(row(seed, measures={"test_accuracy": 1 / 3, "tiny": 1e-300, "steps": 2**60}))
    files = b"".join(path.read_bytes() for path in sorted(store.folder.glob("*.json")))
    for _ in range(2):
        store.seal()
        assert (store.folder / "rows.jsonl").read_bytes() == files
    for path in store.folder.glob("*.json"):
        path.unlink()
    store.seal()
    assert (store.folder / "rows.jsonl").read_bytes() == files


def test_a_reading_without_curves_is_the_same_but_for_them(store: Store) -> None:
    store.write(row(curve=[{"epoch": 1, "loss": 2.0}], measures={"loss": 2.0}))
    assert store.read(curves=False).rows == {row().id: row(measures={"loss": 2.0})}


def test_a_study_with_loose_ends_or_without_rows_is_not_sealed(store: Store) -> None:
    with pytest.raises(UserError, match="no row to seal"):
        store.seal()
    store.write(row())
    file_of(store, row(1)).write_text("{")
    with pytest.raises(UserError, match=r"not sealed.*not a whole row"):
        store.seal()
    assert not (store.folder / "rows.jsonl").exists()


# doing a run again


def test_the_row_of_a_run_that_is_done_again_makes_way_and_is_kept(store: Store) -> None:
    for _ in range(2):
        store.write(row(0, FAILED))
        store.write(row(1))
        store.make_way([row(0).id, row(2).id])
        assert store.read() == Reading({row(1).id: row(1)}, [])
    assert len(list(store.folder.glob(f"{row(0).id}.json.retried*"))) == 2


def test_no_run_begins_whose_row_would_stand_in_the_place_of_another_schema(store: Store) -> None:
    file_of(store, row()).write_text(json.dumps({"id": row().id, "schema": SCHEMA + 1}))
    with pytest.raises(UserError, match="not overwritten"):
        store.make_way([row().id])


# a progress bar


def test_a_progress_bar_hears_once_of_each_finished_run(store: Store) -> None:
    store.write(row(0))
    store.write(row(1, PREEMPTED))
    seen = store.finished(())
    assert seen == {row(0).id: OK}
    store.write(row(1, DIVERGED))
    assert store.finished(seen) == {row(1).id: DIVERGED}


def test_a_progress_bar_neither_moves_nor_minds_what_is_no_row(store: Store, tmp_path: Path) -> None:
    file_of(store, row()).write_text("{")
    (store.folder / "gone.json").symlink_to(store.folder / "nowhere")
    assert store.finished(()) == {}
    assert names(store) == sorted([f"{row().id}.json", "gone.json"])
    assert Store(tmp_path, "never").finished(()) == {}


def test_a_progress_bar_opens_no_file_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        store.write(row(seed))
    seen = store.finished(())
    opened = []

    def watched(path: Path) -> bytes:
        opened.append(path)
        return read_whole(path)

    monkeypatch.setattr("bench.rows.reading.read_whole", watched)
    store.write(row(3))
    opened.clear()
    store.finished(seen)
    assert opened == [file_of(store, row(3))]


# disasters

WRITER = """
import itertools, sys
from bench.rows.store import Store
from bench.schema import Row, Run
store = Store(sys.argv[1], "study")
for number in itertools.count():
    choices = {"seed": number % 7}
    curve = [{"epoch": epoch, "loss": number} for epoch in range(300)]
    store.write(Row(Run("study", choices).id, "study", "ok", choices, curve=curve))
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_rows_and_loses_none_it_reported(tmp_path: Path) -> None:
    store = Store(tmp_path, "study")
    for kill_round in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.005 * kill_round)
            writer.send_signal(signal.SIGKILL)
            reported = 1 + len(writer.stdout.read().splitlines())
        reading = store.read()
        assert reading.remarks == []
        assert len(reading.rows) >= min(reported, 7)
        assert all(len(read.curve) == 300 for read in reading.rows.values())


DISK_FULL = """
import resource, sys
from bench.rows.store import Store
from bench.schema import Row, Run, UserError
choices = {"seed": 0}
def row(epochs):
    return Row(Run("study", choices).id, "study", "ok", choices, curve=[{"epoch": e} for e in range(epochs)])
store = Store(sys.argv[1], "study")
store.write(row(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    store.write(row(1000))
except UserError as error:
    print(error)
"""


def test_a_disk_that_fills_up_keeps_the_old_row_and_says_so(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "File too large; what was there is untouched. Make room" in answer.stdout
    store = Store(tmp_path, "study")
    (read,) = store.read().rows.values()
    assert len(read.curve) == 1
    assert names(store) == [f"{read.id}.json"]


def test_many_writers_of_one_row_leave_one_whole_row_at_every_moment(store: Store) -> None:
    def write(writer: int) -> None:
        for _ in range(20):
            store.write(row(measures={"writer": writer}, curve=[{"writer": writer}] * 200))

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, writer) for writer in range(4)]
        readings = [store.read() for _ in range(50)]
        assert all(writer.result() is None for writer in writers)
    for reading in [*readings, store.read()]:
        assert reading.remarks == []
        for read in reading.rows.values():
            assert all(entry == {"writer": read.measures["writer"]} for entry in read.curve)
    assert names(store) == [f"{row().id}.json"]
