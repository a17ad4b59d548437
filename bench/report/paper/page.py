"""A paper as one HTML page that needs no network and no other file, and can be read without its script.

In: a Document, and the template, style and script in paper/. Out: HTML. Touches: nothing.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.report.document import Block, Document, Figure, Prose, Reference, Table
from bench.report.paper import PAPER
from bench.report.paper.lines import Lines
from bench.report.paper.prose import inline, sections
from bench.report.tables.export import numbers

TALL = 60  # lines


@dataclass(frozen=True)
class References:
    """The list of references. It stands before the appendix."""

    entries: tuple[Reference, ...]


@dataclass(frozen=True)
class Item:
    """A block as the template shows it: numbered among its kind, its text, lines or drawing as HTML."""

    block: Block | References
    html: str = ""
    number: int = 0
    numeric: tuple[bool, ...] = ()  # the columns of a table that are numbers

    @property
    def tall(self) -> bool:
        """Whether it is a table that scrolls within its box from top to bottom too."""
        return isinstance(self.block, Table) and len(self.block.lines) > TALL

    @property
    def kind(self) -> str:
        """Prose, Table, Figure or References."""
        return type(self.block).__name__


def page(document: Document) -> str:
    """The page: the same bytes for the same document, every text escaped.

    Its policy makes the browser load nothing and run only this script, by its hash, even if a text were not escaped.
    """
    css, js = ((PAPER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    blocks = _blocks(document)
    tables = [block for block in blocks if isinstance(block, Table)]
    lines = Lines(tables)
    prose, headings = sections(block.markdown for block in blocks if isinstance(block, Prose))
    template = _environment().get_template("page.html.j2")
    return template.render(
        document=document,
        items=list(_items(blocks, iter(prose), lines)),
        headings=headings,
        axes=_axes(tables),
        ids=Markup(json.dumps(lines.ids, separators=(",", ":")).replace("<", r"\u003c")),
        css=Markup(css),
        js=Markup(js),
        policy=f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; img-src data:; base-uri 'none'",
    )


def _blocks(document: Document) -> list[Block | References]:
    """The blocks, the references, the appendix."""
    references = (Prose("## References"), References(document.references)) if document.references else ()
    return [*document.blocks, *references, *document.appendix]


def _items(blocks: Iterable[Block | References], prose: Iterator[Markup], lines: Lines) -> Iterator[Item]:
    count: Counter[type] = Counter()
    for block in blocks:
        count[type(block)] += 1
        number = count[type(block)]
        match block:
            case Prose():
                yield Item(block, next(prose))
            case Figure():
                yield Item(block, Markup(block.svg), number)
            case Table():
                yield Item(block, Markup("\n").join(lines.html(block)), number, tuple(numbers(block)))
            case References():
                yield Item(block)


def _axes(tables: Iterable[Table]) -> dict[str, list[str]]:
    """The choices of each axis in the order of the tables; an axis of one choice filters nothing and is left out."""
    found: dict[str, dict[str, None]] = {}
    for table in tables:
        for axis in table.axes:
            column = table.header.index(axis)
            found.setdefault(axis, {}).update((line[column].text, None) for line in table.lines)
    return {axis: [*filter(None, options)] for axis, options in found.items() if len(options) > 1}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAPER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"inline": inline, "breakable": _breakable}
    return environment


def _breakable(name: str) -> Markup:
    return escape(name).replace("_", Markup("_<wbr>"))  # or long names make a column wider than its numbers


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
