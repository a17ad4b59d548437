"""How a table goes on paper: all of it, in type that can be read, in columns that line up."""

import pytest

from bench.report.document import Cell, Table
from bench.report.paper.columns import LARGEST, SMALLEST, WRAPS, strips


def table(lines: int, columns: int, text: str = "98.1 [97.4, 98.7]", labels: int = 1) -> Table:
    cells = tuple((Cell(f"line{line}"), *(Cell(f"{text}") for _ in range(columns - 1))) for line in range(lines))
    return Table("t", "", tuple(f"a_long_name_{column}" for column in range(columns)), cells, labels)


def test_a_narrow_table_is_one_strip_in_the_largest_type() -> None:
    (strip,) = strips(table(3, 4))
    assert strip["size"] == LARGEST
    assert strip["columns"] == [0, 0, 0, 0]
    assert strip["cells"][:2] == ["line0", "98.1 [97.4, 98.7]"]


@pytest.mark.parametrize("columns", [2, 8, 12, 40])
def test_every_cell_is_in_some_strip_in_type_that_can_be_read(columns: int) -> None:
    found = strips(table(3, columns))
    assert all(SMALLEST <= strip["size"] <= LARGEST for strip in found)
    assert len({strip["size"] for strip in found}) == 1
    assert sum(len(strip["header"]) - 1 for strip in found) == columns - 1
    for strip in found:
        assert len(strip["cells"]) == 3 * len(strip["header"])
        assert [cell for cell in strip["cells"] if cell.startswith("line")] == ["line0", "line1", "line2"]


def test_a_header_is_no_wider_than_its_column() -> None:
    (strip,) = strips(Table("t", "", ("arm", "mean of all seeds"), ((Cell("he"), Cell("98.12345")),)))
    assert strip["header"] == [["arm"], ["mean of", "all", "seeds"]]


def test_numbers_stand_on_the_right_and_words_on_the_left() -> None:
    line = tuple(map(Cell, ("1", "-0.5 [-1, 0]", "", "equivalent", "2 of 3")))
    (strip,) = strips(Table("t", "", tuple("abcde"), (line,)))
    assert strip["right"] == [False, True, True, False, True]


def test_a_column_of_text_breaks_only_where_the_table_is_too_wide() -> None:
    short, long = "w" * (WRAPS + 1), "word " * 60
    assert strips(Table("t", "", ("a", "b"), ((Cell("a"), Cell(short)),)))[0]["columns"] == [0, 0]
    assert strips(Table("t", "", ("a", "b"), ((Cell("a"), Cell(long)),)))[0]["columns"] == [0, 1]
