import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.rows.merge import merge
from bench.rows.record import text_of
from bench.rows.store import Store
from bench.schema import FAILED, OK, PREEMPTED, SCHEMA, Row, Run, UserError


def row(seed: int = 0, status: str = OK, study: str = "study", **measures: Any) -> Row:
    choices = {"task": "train", "initializer": "he_normal", "seed": seed}
    error = {"class": "killed", "cause": "", "traceback": ""} if status == FAILED else None
    return Row(Run(study, choices).id, study, status, choices, {"test_accuracy": 0.5, **measures}, error=error)


def machine(folder: Path, *rows: Row) -> Path:
    """The results/ of another machine."""
    for one in rows:
        Store(folder, one.study).write(one)
    return folder


def rows_in(results: Path, study: str = "study") -> dict[str, Row]:
    reading = Store(results, study).read()
    assert reading.remarks == []
    return reading.rows


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_rows_of_several_machines_come_together_in_the_studies_they_name(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", row(0), row(5, study="other"))
    two = machine(tmp_path / "two", row(1))
    merged = merge([one, two / "study"], here)  # a results folder, and a study in one
    assert (merged.new, merged.replaced, merged.equal, merged.remarks) == (3, 0, 0, [])
    assert rows_in(here) == {row(0).id: row(0), row(1).id: row(1)}
    assert list(rows_in(here, "other")) == [row(5).id]


def test_which_images_are_correct_is_merged_sealed_and_read_without_curves(tmp_path: Path, here: Path) -> None:
    saying = replace(row(0), correct="eJz7DwABAQEA")
    merge([machine(tmp_path / "one", saying, row(1))], here)
    store = Store(here, "study")
    store.seal()
    for path in store.folder.glob("*.json"):
        path.unlink()
    assert {id: one.correct for id, one in store.read(curves=False).rows.items()} == {
        saying.id: saying.correct,
        row(1).id: None,
    }


def test_sealed_rows_are_merged_like_loose_ones(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", row(0), row(1))
    Store(one, "study").seal()
    for path in (one / "study").glob("*.json"):
        path.unlink()
    assert merge([one], here).new == 2
    assert set(rows_in(here)) == {row(0).id, row(1).id}


def test_merging_twice_changes_nothing_and_the_merged_folders_are_only_read(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", row(0), row(1))
    source = tree(one)
    merge([one], here)
    first = tree(here)
    assert merge([one, here], here).equal == 4
    assert tree(here) == first
    assert tree(one) == source


def test_of_two_equal_rows_one_is_kept_however_fast_and_wherever_the_run_was(tmp_path: Path, here: Path) -> None:
    ours = replace(row(seconds=1.0), environment={"hostname": "here"})
    theirs = replace(row(seconds=2.0, images_per_second=3.0, peak_memory_bytes=4), environment={"hostname": "there"})
    machine(here, ours)
    merged = merge([machine(tmp_path / "one", theirs)], here)
    assert (merged.equal, merged.remarks) == (1, [])
    assert rows_in(here) == {ours.id: ours}


def test_two_different_rows_of_one_run_are_named_and_each_stays_where_it_is(tmp_path: Path, here: Path) -> None:
    machine(here, row(test_accuracy=0.5))
    one = machine(tmp_path / "one", row(test_accuracy=0.25), row(1))
    source = tree(one)
    for new in (1, 0):
        merged = merge([one], here)
        assert merged.new == new
        (remark,) = merged.remarks
        assert all(word in remark for word in (row().id, str(here / "study"), str(one / "study"), "0.5 and 0.25"))
    assert rows_in(here)[row().id] == row(test_accuracy=0.5)
    assert tree(one) == source


def test_a_result_takes_the_place_of_a_failed_or_preempted_row_which_is_kept(tmp_path: Path, here: Path) -> None:
    machine(here, row(0, FAILED), row(1, PREEMPTED), row(2))
    merged = merge([machine(tmp_path / "one", row(0), row(1, FAILED), row(2, FAILED), row(3, PREEMPTED))], here)
    assert (merged.new, merged.replaced, merged.equal, merged.remarks) == (1, 2, 1, [])
    found = {one.choices["seed"]: one.status for one in rows_in(here).values()}
    assert found == {0: OK, 1: FAILED, 2: OK, 3: PREEMPTED}
    assert {path.name for path in (here / "study").glob("*.retried")} == {f"{row(n).id}.json.retried" for n in (0, 1)}


def test_a_damaged_row_is_named_and_left_and_costs_no_other(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", row(0), row(1))
    damaged = one / "study" / f"{row(0).id}.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"0.5", b"0.6"))
    merged = merge([one], here)
    assert merged.new == 1
    assert f"{damaged} is not a whole row" in merged.remarks[0]
    assert damaged.exists()
    assert list(rows_in(here)) == [row(1).id]


def test_a_damaged_row_here_makes_way_for_a_whole_one_and_is_kept(tmp_path: Path, here: Path) -> None:
    machine(here, row(0))
    damaged = here / "study" / f"{row(0).id}.json"
    damaged.write_text("half")
    assert merge([machine(tmp_path / "one", row(0))], here).new == 1
    assert rows_in(here) == {row(0).id: row(0)}
    assert damaged.with_name(f"{damaged.name}.broken").read_text() == "half"


def test_rows_of_another_schema_are_refused_and_named(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", row(0))
    (one / "study" / f"{row(1).id}.json").write_text(json.dumps({"id": row(1).id, "schema": SCHEMA - 1}))
    merged = merge([one], here)
    assert merged.new == 1
    assert f"another schema than {SCHEMA}: 1 ({row(1).id}.json)" in merged.remarks[0]


def test_one_study_alone_can_be_merged(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", row(0), row(1, study="other"))
    assert merge([one], here, "other").new == 1
    assert os.listdir(here) == ["other"]
    with pytest.raises(UserError, match="no row of study third"):
        merge([one], here, "third")


def test_a_row_that_names_a_folder_outside_is_left_where_it_is(tmp_path: Path, here: Path) -> None:
    evil = row(study="../../outside")
    one = machine(tmp_path / "one", row(1))
    (one / "study" / f"{evil.id}.json").write_text(text_of(evil))
    merged = merge([one], here)
    assert merged.new == 1
    assert "cannot name a study" in merged.remarks[0]
    assert {path.name for path in tmp_path.iterdir()} == {"one", "results"}


@pytest.mark.parametrize("folder", ["nowhere", "empty", "file"])
def test_a_folder_without_rows_is_a_mistake(tmp_path: Path, here: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"{folder}"):
        merge([tmp_path / folder], here)
    assert not here.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from bench.rows import store
write_whole = store.write_whole
def write(path, text, written=[]):
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write_whole(path, text))
store.write_whole = write
from bench.rows.merge import merge
merge([Path(sys.argv[1])], sys.argv[2])
"""


def test_a_merge_that_is_killed_leaves_whole_rows_and_goes_on(tmp_path: Path, here: Path) -> None:
    one = machine(tmp_path / "one", *(row(seed) for seed in range(6)))
    done = subprocess.run([sys.executable, "-c", KILLED, str(one), str(here)], check=False)
    assert done.returncode < 0
    assert len(rows_in(here)) == 3
    merged = merge([one], here)
    assert (merged.new, merged.equal) == (3, 3)
