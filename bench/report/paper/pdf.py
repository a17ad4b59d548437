"""The paper as a PDF, set by Typst in the fonts that it brings: the same document gives the same bytes.

In: a Document. Out: bytes. Touches: nothing; its template is read.
"""

import json
import warnings
from typing import Any

import typst

from bench.report.document import Block, Document, Figure, Prose
from bench.report.figures.style import FULL
from bench.report.paper import PAPER
from bench.report.paper.columns import LONG, strips
from bench.report.tables import tree
from bench.schema import UserError

FONTS = ("Libertinus Serif", "DejaVu Sans Mono", "New Computer Modern Math")  # of report.typ
UNNUMBERED = "Abstract"  # a heading that has no number
SIZES = (10.5, 10.8, 10.2, 9.9)  # pt of text: the first that fills the last page by FILLED, or else the one with most
FILLED = 0.5
SHORT = 12  # digits of the digest at the foot of each page


def pdf(document: Document) -> bytes:
    """The document on A4, without its appendix.

    Raises UserError where this build of Typst lacks a font, and where a link has no target in the document.
    """
    _check_fonts()
    made, remarks = typst.compile_with_warnings(**inputs(document))
    for remark in remarks:
        warnings.warn(f"Typst: {remark.message}", stacklevel=2)
    return bytes(made)


def inputs(document: Document) -> dict[str, Any]:
    """What Typst takes to set the document: its template, and the content with the size of its text."""
    data = content(document)
    sized = [_inputs(data, size) for size in SIZES]
    return next((one for one in sized if _ends_at(one) >= FILLED), None) or max(sized, key=_ends_at)


def _inputs(data: dict[str, Any], size: float) -> dict[str, Any]:
    text = json.dumps({**data, "size": size}, ensure_ascii=False)
    source = (PAPER / "report.typ").read_bytes()
    return {"input": source, "sys_inputs": {"document": text}, "ignore_system_fonts": True}


def _ends_at(given: dict[str, Any]) -> float:
    """How much of the last page is used, 0 to 1."""
    return float(json.loads(typst.query(selector="<end>", field="value", one=True, **given)))


def content(document: Document) -> dict[str, Any]:
    """The document as plain data, in the order of the paper."""
    blocks = [_block(block) for block in document.blocks]
    _number(blocks)
    if document.references:
        entries = [{"key": one.key, "body": tree.inline(one.markdown)} for one in document.references]
        blocks.append({"is": "references", "entries": entries})
    _check_links(document, blocks)
    foot = f"rows {document.digest[:SHORT]}" if document.digest else ""
    return {"title": document.title, "blocks": blocks, "footer": document.footer, "foot": foot, "measure": FULL}


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Prose):
        return {"is": "prose", "body": tree.blocks(block.markdown)}
    about = {"name": block.name, "caption": tree.inline(block.caption)}
    if isinstance(block, Figure):
        return {"is": "figure", **about, "svg": block.svg, "alt": block.alt}
    return {"is": "table", **about, "long": len(block.lines) > LONG, "strips": strips(block)}


def _number(blocks: list[dict[str, Any]]) -> None:
    """Make the highest heading one of level 1 and number the headings, but for that of the abstract."""
    headings = [node for block in blocks if block["is"] == "prose" for node in block["body"] if node["is"] == "heading"]
    highest = min((heading["level"] for heading in headings), default=1)
    for heading in headings:
        heading["level"] -= highest - 1
        heading["numbered"] = tree.text(heading["body"]) != UNNUMBERED


def _check_links(document: Document, blocks: list[dict[str, Any]]) -> None:
    there = {f"ref-{one.key}" for one in document.references}
    there |= {block.name for block in document.blocks if not isinstance(block, Prose)}
    for target in sorted(tree.targets(blocks) - there):
        raise UserError(f"the text links to #{target}, but no table, figure or reference has that name")


def _check_fonts() -> None:
    there = typst.Fonts(include_system_fonts=False).families()
    missing = [font for font in FONTS if font not in there]
    if missing:
        raise UserError(
            f"this build of typst comes without the font {' and '.join(missing)}, and a paper is set in no other; "
            "install the wheel: pip install --force-reinstall typst"
        )
