import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.report.document import Cell, Document, Prose, Table
from bench.report.paper import folder
from bench.schema import UserError


@pytest.fixture
def document() -> Document:
    table = Table("results", "A table.", ("arm", "accuracy"), ((Cell("he_normal"), Cell("98.1", 0.981, ("0" * 16,))),))
    runs = Table("runs", "Every run.", ("run",), ((Cell("0" * 16),),))
    return Document("Title", (Prose("## Section\n\nText.\n"), table), (), "footer", "0" * 64, ("mine",), (runs,))


@pytest.fixture
def made(document: Document, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr("bench.report.paper.pdf.pdf", lambda document: b"%PDF")
    return folder.files(document, {"acc": "98.1 %"})


def test_a_paper_is_a_pdf_a_page_and_three_files_for_each_table_also_of_its_appendix(made: dict[str, bytes]) -> None:
    assert set(made) == {
        "paper.pdf", "paper.html", "keys.json", "manifest.json",
        "tables/results.csv", "tables/results.md", "tables/results.tex",
        "tables/runs.csv", "tables/runs.md", "tables/runs.tex",
    }  # fmt: skip


def test_what_was_written_is_not_stale(tmp_path: Path, document: Document, made: dict[str, bytes]) -> None:
    folder.write(tmp_path / "deep" / "paper", made)
    assert folder.stale(tmp_path / "deep" / "paper", document) == []
    assert {file.name for file in (tmp_path / "deep" / "paper").iterdir()} == {
        "paper.pdf", "paper.html", "keys.json", "manifest.json", "tables",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"digest": "1" * 64}, "its rows are not those of now"),
        ({"title": "Another"}, "the same rows now make another text"),
        ({"appendix": ()}, "the same rows now make another text"),
    ],
)
def test_another_paper_is_stale(
    tmp_path: Path, document: Document, made: dict[str, bytes], change: dict[str, Any], sentence: str
) -> None:
    folder.write(tmp_path, made)
    (told,) = folder.stale(tmp_path, replace(document, **change))
    assert sentence in told


def test_a_footer_of_another_machine_is_not_stale(tmp_path: Path, document: Document, made: dict[str, bytes]) -> None:
    folder.write(tmp_path, made)
    assert folder.stale(tmp_path, replace(document, footer="built elsewhere")) == []


def test_a_file_that_was_edited_or_lost_is_named(tmp_path: Path, document: Document, made: dict[str, bytes]) -> None:
    folder.write(tmp_path, made)
    (tmp_path / "tables" / "results.md").write_text("98.2")
    (tmp_path / "paper.pdf").unlink()
    assert [told.split()[0] for told in folder.stale(tmp_path, document)] == [
        str(tmp_path / "paper.pdf"),
        str(tmp_path / "tables/results.md"),
    ]


def test_a_folder_without_a_paper_is_stale(tmp_path: Path, document: Document) -> None:
    assert folder.stale(tmp_path, document) == [f"{tmp_path} holds no paper"]


def test_tables_of_an_earlier_paper_go_and_files_of_others_stay(tmp_path: Path, made: dict[str, bytes]) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    home = tmp_path / "paper"
    folder.write(home, made)
    (home / "tables" / "own.txt").write_text("mine")
    manifest = json.loads(made["manifest.json"])
    manifest["files"] |= {"tables/old.csv": "", "../outside.txt": ""}
    (home / "manifest.json").write_text(json.dumps(manifest))
    (home / "tables" / "old.csv").write_text("old")
    folder.write(home, made)
    assert sorted(file.name for file in (home / "tables").iterdir()) == [
        "own.txt", "results.csv", "results.md", "results.tex", "runs.csv", "runs.md", "runs.tex",
    ]  # fmt: skip
    assert outside.exists()


def test_a_folder_that_cannot_be_written_is_told_and_left_as_it_was(tmp_path: Path, made: dict[str, bytes]) -> None:
    (tmp_path / "paper").write_text("a file")
    with pytest.raises(UserError, match="choose another folder with output=DIR"):
        folder.write(tmp_path / "paper", made)
    assert (tmp_path / "paper").read_text() == "a file"
