"""A sheet as text for a terminal, markdown for a page, csv or json for a program.

In: a Sheet. Out: text. Touches: nothing.
"""

import json
import re
import textwrap
from collections.abc import Callable

from bench.report.document import Listing, Part, Section, Sheet, Table
from bench.report.tables.export import labelled, piped, texts
from bench.schema import UserError

CODE = re.compile(r"`([^`]+)`")  # as the Markdown of a sentence has it


def render(sheet: Sheet, format: str = "text", width: int = 100) -> str:
    """The sheet as `format`: text, markdown, csv (its frame, full precision) or json (its record, strict JSON).

    `width` wraps the paragraphs of text, in characters. Ends with one newline. Raises UserError for another format.
    """
    if format not in FORMATS:
        raise UserError(f"no format is named {format!r}; there are {', '.join(FORMATS)}")
    return FORMATS[format](sheet, width)


def _text(sheet: Sheet, width: int) -> str:
    return "\n\n".join(_lines(part, width) for part in sheet.parts) + "\n"


def _markdown(sheet: Sheet, width: int) -> str:
    parts = sheet.parts if sheet.page is None else sheet.page
    return "\n\n".join(map(marked, parts)) + "\n"


def _csv(sheet: Sheet, width: int) -> str:
    return str(sheet.frame.to_csv(index=False, lineterminator="\n"))


def _json(sheet: Sheet, width: int) -> str:
    return json.dumps(sheet.record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Sheet, int], str]] = {"text": _text, "markdown": _markdown, "csv": _csv, "json": _json}


def _lines(part: Part, width: int, indent: str = "") -> str:
    match part:
        case Table():
            return "\n".join(aligned(part))
        case Section(heading, parts):
            return heading + "\n" + "\n\n".join(_lines(each, width, "  ") for each in parts)
        case Listing(code, _):
            return textwrap.indent(code, 2 * indent)
        case str():
            return "\n".join(wrapped(CODE.sub(r"\1", part), width, indent))
    return "\n".join(_lines(each, width, indent) for each in part)


def marked(part: Part) -> str:
    """A part as Markdown."""
    match part:
        case Table():
            return "\n".join(piped(part))
        case Section(heading, parts, level):
            return "\n\n".join([f"{'#' * level} {heading}", *map(marked, parts)])
        case Listing(code, language):
            return f"```{language}\n{code}\n```"
        case str():
            return part
    return "\n".join(f"- {each}" for each in part)


def aligned(table: Table) -> list[str]:
    """The lines of a table as text, its columns under each other, its numbers to the right."""
    lines, left = texts(table), labelled(table)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    forms = [f"{'<' if label else '>'}{width}" for label, width in zip(left, widths, strict=True)]
    return ["  " + "  ".join(map(format, line, forms)) for line in lines]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """The text as lines of at most `width` characters."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
