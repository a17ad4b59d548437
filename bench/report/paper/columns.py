"""How a table is set on paper: the size of its type, its columns, and the strips of one that is too wide.

In: a Table. Out: plain data for the typesetter. Touches: nothing.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.report.document import Cell, Table

WIDTH = 493.0  # pt, 174 mm
LARGEST, SMALLEST = 8.5, 6.3  # pt of type
LETTER, FIXED = (0.46, 0.9), (0.602, 1.6)  # em of a letter, and beside a column: about, and exactly in a fixed font
WRAPS = 34  # letters, beyond which a column of a table that is too wide breaks into lines
DENSE = 500  # lines, beyond which a table is set as columns of text
PIECE = 8  # lines of such a column that stay on one page
LONG = 24  # lines, beyond which a table may break over pages
NUMERIC = "0123456789+-−.<–—"  # what a number begins with; a cell may also be empty
Put = Callable[[Cell, str], Any]  # a cell and the text to show -> the cell as the typesetter takes it
Strip = dict[str, Any]


def strips(table: Table, put: Put) -> list[Strip]:
    """The table in strips of at most the page's width, each with the label columns, in type of a size that fits."""
    dense = len(table.lines) > DENSE
    letters = _letters(table)
    wraps = max(letters) if not dense and LARGEST * sum(_ems(letters, *LETTER)) <= WIDTH else WRAPS
    ems = _ems([min(wraps, count) for count in letters], *(FIXED if dense else LETTER))
    split = _split(ems, table.labels)
    size = min(LARGEST, *(WIDTH / sum(ems[column] for column in columns) for columns in split))
    return [
        {
            "header": [_stacked(table.header[column], letters[column]) for column in columns],
            "right": [column >= table.labels and _is_numeric(table, column) for column in columns],
            "size": round(size, 2),
            **(_dense(table, columns, letters, put) if dense else _plain(table, columns, letters, wraps, put)),
        }
        for columns in split
    ]


def _ems(letters: Sequence[int], width: float, gap: float) -> list[float]:
    """The widths in em of columns with these numbers of letters, each with the gap beside it."""
    return [width * count + gap for count in letters]


def _pieces_of(head: str) -> list[str]:
    """A header in pieces between which a line may break: after a space, an underscore, a slash or a bracket."""
    return re.findall(r"[^ _/(]+[ _/(]*|[ _/(]+", head)


def _stacked(head: str, letters: int) -> list[str]:
    """A header in lines of at most `letters` letters, where its words allow it."""
    lines = [""]
    for piece in _pieces_of(head):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > letters:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _is_numeric(table: Table, column: int) -> bool:
    return all(line[column].text[:1] in NUMERIC for line in table.lines)


def _letters(table: Table) -> list[int]:
    """The most letters that a cell of each column has, or a word of its header."""
    return [
        max(
            [len(piece.rstrip()) for piece in _pieces_of(head)] + [len(line[place].text) for line in table.lines],
            default=1,
        )
        for place, head in enumerate(table.header)
    ]


def _split(ems: Sequence[float], labels: int) -> list[list[int]]:
    """The columns of each strip: as many as the smallest type has room for beside the labels."""
    first, rest = list(range(labels)), range(labels, len(ems))
    found = [[*first]]
    for column in rest:
        if len(found[-1]) > labels and SMALLEST * sum(ems[one] for one in [*found[-1], column]) > WIDTH:
            found.append([*first])
        found[-1].append(column)
    return found


def _plain(table: Table, columns: Sequence[int], letters: Sequence[int], wraps: int, put: Put) -> Strip:
    """Cell after cell; columns of text share what is left of the width."""
    return {
        "columns": [int(letters[column] > wraps) for column in columns],
        "cells": [put(line[column], line[column].text) for line in table.lines for column in columns],
    }


def _dense(table: Table, columns: Sequence[int], letters: Sequence[int], put: Put) -> Strip:
    """A cell is a piece of a column: PIECE lines of text."""
    lines = [text for line in table.lines for text in _broken([line[column] for column in columns], put)]
    pieces = [lines[start : start + PIECE] for start in range(0, len(lines), PIECE)]
    return {
        "columns": [min(WRAPS, letters[column]) for column in columns],
        "pieces": [column for piece in pieces for column in zip(*piece, strict=True)],
    }


def _broken(cells: Sequence[Cell], put: Put) -> Iterator[list[Any]]:
    """One line of the table as the lines of text it takes, the first with the links of its cells."""
    texts = [textwrap.wrap(cell.text, WRAPS) or [""] for cell in cells]
    yield [put(cell, text[0]) for cell, text in zip(cells, texts, strict=True)]
    for line in range(1, max(map(len, texts))):
        yield [text[line] if line < len(text) else "" for text in texts]
