"""How a table goes on paper: all of it, in type that can be read, in columns that line up."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.report.document import Cell, Document, Table
from bench.report.paper.columns import LARGEST, PIECE, SMALLEST, WRAPS, strips
from bench.report.paper.pdf import pdf


def table(lines: int, columns: int, text: str = "98.1 [97.4, 98.7]", labels: int = 1) -> Table:
    cells = tuple((Cell(f"line{line}"), *(Cell(f"{text}") for _ in range(columns - 1))) for line in range(lines))
    return Table("t", "", tuple(f"a_long_name_{column}" for column in range(columns)), cells, labels)


def put(cell: Cell, text: str) -> Any:
    return text


def test_a_narrow_table_is_one_strip_in_the_largest_type() -> None:
    (strip,) = strips(table(3, 4), put)
    assert strip["size"] == LARGEST
    assert strip["columns"] == [0, 0, 0, 0]
    assert strip["cells"][:2] == ["line0", "98.1 [97.4, 98.7]"]


@pytest.mark.parametrize("lines", [3, 600])
@pytest.mark.parametrize("columns", [2, 8, 12, 40])
def test_every_cell_is_in_some_strip_in_type_that_can_be_read(lines: int, columns: int) -> None:
    found = strips(table(lines, columns), put)
    assert all(SMALLEST <= strip["size"] <= LARGEST for strip in found)
    assert len({strip["size"] for strip in found}) == 1
    assert sum(len(strip["header"]) - 1 for strip in found) == columns - 1
    for strip in found:
        cells = strip.get("cells") or [text for piece in strip["pieces"] for text in piece]
        assert len(cells) == lines * len(strip["header"])
        assert [cell for cell in cells if cell.startswith("line")] == [f"line{line}" for line in range(lines)]


def test_a_header_is_no_wider_than_its_column() -> None:
    (strip,) = strips(Table("t", "", ("arm", "mean of all seeds"), ((Cell("he"), Cell("98.12345")),)), put)
    assert strip["header"] == [["arm"], ["mean of", "all", "seeds"]]


def test_numbers_stand_on_the_right_and_words_on_the_left() -> None:
    line = tuple(map(Cell, ("1", "-0.5 [-1, 0]", "", "equivalent", "2 of 3")))
    (strip,) = strips(Table("t", "", tuple("abcde"), (line,)), put)
    assert strip["right"] == [False, True, True, False, True]


def test_a_column_of_text_breaks_only_where_the_table_is_too_wide() -> None:
    short, long = "w" * (WRAPS + 1), "word " * 60
    assert strips(Table("t", "", ("a", "b"), ((Cell("a"), Cell(short)),)), put)[0]["columns"] == [0, 0]
    assert strips(Table("t", "", ("a", "b"), ((Cell("a"), Cell(long)),)), put)[0]["columns"] == [0, 1]


def test_a_long_cell_of_a_dense_table_takes_lines_of_its_own() -> None:
    cause = "RuntimeError: tried to allocate 20 GiB on a device of 16 GiB"
    lines = [(Cell("a"), Cell("x")), (Cell("b"), Cell(cause)), *[(Cell("c"), Cell(""))] * 600]
    (strip,) = strips(Table("t", "", ("k", "cause"), tuple(lines)), put)
    assert strip["pieces"][0] == ("a", "b", "", *["c"] * (PIECE - 3))
    assert " ".join(strip["pieces"][1]).split() == ["x", *cause.split()]


def test_the_lines_of_a_dense_table_line_up_under_a_header_on_every_page(tmp_path: Path) -> None:
    if not (reader := shutil.which("pdftotext")):
        pytest.skip("poppler's pdftotext is not installed")
    marks = "a/b-c d.e_f(g)h,i"  # a line could break at each of them
    lines = tuple((Cell(f"{line:016x}"), Cell(marks), Cell(str(line))) for line in range(600))
    made = pdf(Document("", (Table("runs", "", ("run", "block", "number"), lines, 2),), (), ""))
    (tmp_path / "paper.pdf").write_bytes(made)
    command = [reader, "-layout", str(tmp_path / "paper.pdf"), "-"]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(rf"^ *([0-9a-f]{{16}}) +{re.escape(marks)} +(\d+)$", read, re.M)
    assert found == [(f"{line:016x}", str(line)) for line in range(600)]
    assert read.count("number") == read.count("\f")
