"""How a table is set on paper: the size of its type, its columns, and the strips of one that is too wide.

In: a Table. Out: plain data for the typesetter. Touches: nothing.
"""

import re
from collections.abc import Sequence
from typing import Any

from bench.report.document import Table
from bench.report.figures.style import FULL, INCH

WIDTH = FULL / INCH * 72  # pt
LARGEST, SMALLEST = 8.5, 6.5  # pt of type
LETTER, GAP = 0.46, 0.9  # em of a letter, about, and beside a column
WRAPS = 34  # letters, beyond which a column of a table that is too wide breaks into lines
LONG = 24  # lines, beyond which a table may break over pages
NUMERIC = "0123456789+-−.<–—[("  # what a number begins with; a cell may also be empty
Strip = dict[str, Any]


def strips(table: Table) -> list[Strip]:
    """The table in strips no wider than the text, each with the label columns, in type of a size that fits."""
    letters = _letters(table)
    wraps = max(letters) if LARGEST * sum(_ems(letters)) <= WIDTH else WRAPS
    ems = _ems([min(wraps, count) for count in letters])
    split = _split(ems, table.labels)
    size = min(LARGEST, *(WIDTH / sum(ems[column] for column in columns) for columns in split))
    return [
        {
            "header": [_stacked(table.header[column], letters[column]) for column in columns],
            "right": [column >= table.labels and _is_numeric(table, column) for column in columns],
            "size": round(size, 2),
            "columns": [int(letters[column] > wraps) for column in columns],
            "cells": [line[column].text for line in table.lines for column in columns],
        }
        for columns in split
    ]


def _ems(letters: Sequence[int]) -> list[float]:
    """The widths in em of columns with these numbers of letters, each with the gap beside it."""
    return [LETTER * count + GAP for count in letters]


def _pieces_of(head: str) -> list[str]:
    """A header in pieces between which a line may break: after a space, an underscore, a slash or a bracket."""
    return re.findall(r"(?:[^ _/(]|/s\b)+[ _/(]*|[ _/(]+", head)


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
