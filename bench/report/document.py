"""The content of a paper and of a command's answer: prose, tables and figures, in reading order, without a format.

In: nothing. Out: dataclasses. Touches: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text as printed, its value in full precision, and the ids of the runs behind it."""

    text: str
    value: float | str | None = None  # to sort by, and for csv; the text where None
    runs: tuple[str, ...] = ()

    @property
    def is_run(self) -> bool:
        """Whether the cell is the id of a run, with which the line of that run begins."""
        return self.runs == (self.text,)


@dataclass(frozen=True)
class Table:
    """A table. `name` is the stem of its files and its anchor; the first `labels` columns name a line."""

    name: str
    caption: str  # markdown, one sentence or two
    header: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    labels: int = 1
    axes: tuple[str, ...] = ()  # the columns of the header by which a reader may filter


@dataclass(frozen=True)
class Section:
    """Parts under a heading, of a level from 1 to 6 on a page."""

    heading: str
    parts: tuple[Part, ...]
    level: int = 3


@dataclass(frozen=True)
class Listing:
    """Lines of code in a language, printed as they are."""

    code: str
    language: str


Part = Table | Section | Listing | str | tuple[str, ...]  # a string is a paragraph, a tuple of strings a list


@dataclass(frozen=True)
class Sheet:
    """What a command prints: parts for people, `frame` for csv and `record` for json, both in full precision.

    `page` holds the parts of a markdown page where they differ from those for a terminal, whose end is read first.
    """

    parts: tuple[Part, ...]
    frame: pd.DataFrame
    record: Any
    page: tuple[Part, ...] | None = None


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The lines of a frame as dictionaries, with None for a number that is missing or not finite."""
    return [{str(key): _finite(value) for key, value in line.items()} for line in frame.to_dict("records")]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Figure:
    """A vector drawing as one SVG element whose text is drawn as paths; `alt` describes it in words."""

    name: str
    caption: str  # markdown
    svg: str
    alt: str


@dataclass(frozen=True)
class Prose:
    """CommonMark text: headings, paragraphs, lists, emphasis, code and links; no raw HTML, no tables, no images.

    A citation is a link to `#ref-KEY`, which the list of references defines.
    """

    markdown: str


@dataclass(frozen=True)
class Reference:
    """An entry of the list of references: its key in references.bib, and its text as markdown."""

    key: str
    markdown: str


Block = Prose | Table | Figure


@dataclass(frozen=True)
class Document:
    """A paper. `footer` names its origin: commit, dirty flag, digest of the rows, versions.

    The `appendix` stands on the page alone, behind the references; the PDF leaves it out.
    """

    title: str
    blocks: tuple[Block, ...]
    references: tuple[Reference, ...]
    footer: str
    digest: str = ""  # of the rows, 64 hexadecimal digits
    studies: tuple[str, ...] = ()
    appendix: tuple[Block, ...] = ()
