"""Markdown as HTML: paragraphs with numbered anchors on their headings, and captions.

In: CommonMark with formulas. Out: HTML, with no markup but that of the Markdown. Touches: nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import typst
from markdown_it.token import Token
from markupsafe import Markup

from bench.report.tables.tree import MARKDOWN
from bench.schema import UserError

TOP = 2  # the title of a page is its only heading of level 1


@dataclass(frozen=True)
class Heading:
    """An entry of the table of contents."""

    level: int
    anchor: str
    html: Markup


def sections(texts: Iterable[str]) -> tuple[list[Markup], list[Heading]]:
    """Each text as HTML, and the headings of all of them, their anchors numbered where two have one text.

    Levels start at 2, and none is skipped on the way down.
    """
    parsed = [MARKDOWN.parse(text) for text in texts]
    headings: list[Heading] = []
    used: set[str] = set()
    for tokens in parsed:
        for token, content, close in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if token.type == "heading_open":
                level = min(max(int(token.tag[1]), TOP), headings[-1].level + 1 if headings else TOP)
                token.tag = close.tag = f"h{level}"
                token.attrSet("id", _anchor(content.content, used))
                headings.append(Heading(level, str(token.attrGet("id")), _rendered([_unlinked(content)])))
    return [_rendered(tokens) for tokens in parsed], headings


def inline(text: str) -> Markup:
    """One paragraph of Markdown without the paragraph around it."""
    return Markup(MARKDOWN.renderInline(text))


@cache
def mathml(formula: str) -> str:
    """A formula of Typst's notation as MathML. Raises UserError where Typst cannot read it."""
    try:
        made, _ = typst.compile_with_warnings(  # it warns that pages are incomplete; the formula is all that is kept
            b'#eval(sys.inputs.formula, mode: "math")', format="html", sys_inputs={"formula": formula}
        )
    except typst.TypstError as error:
        raise UserError(f"the formula ${formula}$ of the template cannot be read: {error}") from error
    return str(re.findall(r"<math>.*</math>", made.decode(), re.DOTALL)[0])


def _formula(renderer: Any, tokens: Sequence[Token], place: int, options: Any, environment: Any) -> str:
    return mathml(tokens[place].content)


MARKDOWN.add_render_rule("formula", _formula)


def _rendered(tokens: list[Token]) -> Markup:
    return Markup(MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}))


def _unlinked(content: Token) -> Token:
    """The same text without links, for a link cannot stand in a link."""
    children = [child for child in content.children or [] if child.type not in ("link_open", "link_close")]
    return content.copy(children=children)


def _anchor(text: str, used: set[str]) -> str:
    stem = "-".join(["section", *re.findall(r"\w+", text.lower())])  # a figure may be named like its section
    anchor, count = stem, 1
    while anchor in used:
        count += 1
        anchor = f"{stem}-{count}"
    used.add(anchor)
    return anchor
