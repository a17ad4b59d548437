import json
import os

import pytest

from bench.rows.reading import has_row_name, loose, names, read
from bench.rows.record import text_of
from bench.schema import OK, SCHEMA, Row, Run, UserError


def row(seed, **fields):
    return Row(Run("study", {"seed": seed}).id, "study", OK, {"seed": seed}, **fields)


def test_each_row_that_does_not_count_is_given_by_its_id_with_the_reason(tmp_path):
    for one in (row(0), row(1)):
        (tmp_path / f"{one.id}.json").write_text(text_of(one))
    (tmp_path / f"{row(1).id}.json").write_text("{")
    (tmp_path / f"{row(2).id}.json").write_text(json.dumps({"id": row(2).id, "schema": SCHEMA + 1}))
    found = read(tmp_path)
    assert found.rows == {row(0).id: row(0)}
    assert found.unread.keys() == {row(1).id, row(2).id}
    assert "is not a whole row" in found.unread[row(1).id]
    assert f"schema {SCHEMA + 1}, and this version reads schema {SCHEMA}" in found.unread[row(2).id]
    assert found.redundant == []


def test_a_damaged_copy_of_a_row_that_is_whole_elsewhere_is_redundant(tmp_path):
    (tmp_path / "rows.jsonl").write_text(text_of(row(0)))
    (tmp_path / f"{row(0).id}.json").write_text("{")
    found = read(tmp_path)
    assert found.rows == {row(0).id: row(0)}
    assert found.remarks == found.redundant
    assert found.unread == {}


def test_what_is_no_file_is_named_and_costs_no_other_row(tmp_path):
    makers = (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path))
    odd = [tmp_path / f"{row(seed).id}.json" for seed in range(len(makers))]
    for path, make in zip(odd, makers, strict=True):
        make(path)
    (tmp_path / f"{row(9).id}.json").write_text(text_of(row(9)))
    found = read(tmp_path)
    assert found.rows == {row(9).id: row(9)}
    assert sorted(found.unread) == sorted(path.stem for path in odd)
    assert all(f"{path} cannot be read (" in found.unread[path.stem] for path in odd)


def test_sealed_rows_that_are_no_file_are_refused_with_the_way_out(tmp_path):
    os.mkfifo(tmp_path / "rows.jsonl")
    with pytest.raises(UserError, match=r"rows\.jsonl: it is not a regular file; move it away"):
        read(tmp_path)


def test_names_are_sorted_and_not_hidden_and_loose_rows_are_json_files(tmp_path):
    for name in ("b.json", "a.txt", ".hidden.json", f"{row(0).id}.json"):
        (tmp_path / name).write_text("")
    assert names(tmp_path) == sorted([f"{row(0).id}.json", "a.txt", "b.json"])
    assert [path.name for path in loose(tmp_path) if has_row_name(path)] == [f"{row(0).id}.json"]
    assert names(tmp_path / "none") == []


def test_a_folder_that_cannot_be_read_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot read .*file: Not a directory; choose another folder with results=DIR"):
        names(tmp_path / "file")
