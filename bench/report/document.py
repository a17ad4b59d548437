"""What a paper is made of: prose, tables and figures, in reading order, before anybody decides how they look.

In: nothing. Out: dataclasses. Touches: nothing.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, the number behind it in full precision, and the ids of the runs it was made of."""

    text: str
    value: float | str | None = None  # to sort by, and for csv; the text where None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of text. `name` is the stem of its files and its anchor; the first `labels` columns are text."""

    name: str
    caption: str  # markdown, one sentence or two
    header: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    labels: int = 1
    axes: tuple[str, ...] = ()  # the columns of the header by which a reader may filter


@dataclass(frozen=True)
class Figure:
    """A vector drawing as one SVG element whose text is drawn as paths; `alt` tells it to who cannot see it."""

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


@dataclass(frozen=True)
class Document:
    """A paper. `footer` says where it comes from: commit, dirty flag, digest of the rows, versions."""

    title: str
    blocks: tuple[Prose | Table | Figure, ...]
    references: tuple[Reference, ...]
    footer: str
    digest: str = ""  # of the rows, 64 hexadecimal digits
    studies: tuple[str, ...] = field(default=())
