"""Markdown as a tree of plain data for a typesetter, which reads no text as markup again.

In: CommonMark with formulas. Out: nested dictionaries, each with what it `is`. Touches: nothing.
"""

import re
from collections.abc import Iterable
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.tree import SyntaxTreeNode

FORMULA = re.compile(r"\$([^$\n]+)\$")  # in the notation of Typst; a dollar of a name is escaped
MARKDOWN = MarkdownIt("commonmark", {"html": False, "typographer": True}).enable("smartquotes").disable("image")
Node = dict[str, Any]


def _read_formula(state: StateInline, silent: bool) -> bool:
    if not (found := FORMULA.match(state.src, state.pos)):
        return False
    if not silent:
        state.push("formula", "math", 0).content = found[1]
    state.pos = found.end()
    return True


MARKDOWN.inline.ruler.push("formula", _read_formula)


def blocks(markdown: str) -> list[Node]:
    """Headings, paragraphs, lists, quotes, listings and rules, in order."""
    return _blocks(SyntaxTreeNode(MARKDOWN.parse(markdown)).children)


def inline(markdown: str) -> list[Node]:
    """The text of a caption or a reference, its paragraphs run together."""
    return [node for block in blocks(markdown) for node in [*block.get("body", ()), {"is": "text", "text": " "}]][:-1]


def text(nodes: Iterable[Node]) -> str:
    """The text of the nodes of a line, without markup."""
    return "".join(node.get("text") or text(node.get("body", ())) for node in nodes)


def targets(node: Any) -> set[str]:
    """Every anchor of the document that a link in these nodes leads to."""
    if isinstance(node, list):
        return {target for one in node for target in targets(one)}
    if not isinstance(node, dict):
        return set()
    return targets([*node.values()]) | ({node["to"]} if node.get("is") == "jump" else set())


def _blocks(children: Iterable[SyntaxTreeNode]) -> list[Node]:
    return [_block(child) for child in children]


def _block(node: SyntaxTreeNode) -> Node:
    match node.type:
        case "heading":
            return {"is": "heading", "level": int(node.tag[1]), "body": _inline(node)}
        case "paragraph":
            return {"is": "paragraph", "body": _inline(node)}
        case "bullet_list":
            return {"is": "bullets", "items": [_blocks(item.children) for item in node.children]}
        case "ordered_list":
            items = [_blocks(item.children) for item in node.children]
            return {"is": "numbers", "start": int(node.attrs.get("start", 1)), "items": items}
        case "blockquote":
            return {"is": "quote", "body": _blocks(node.children)}
        case "fence" | "code_block":
            return {"is": "listing", "text": node.content.rstrip("\n")}
        case "hr":
            return {"is": "rule"}
    raise ValueError(f"no {node.type} can stand in prose")


def _inline(node: SyntaxTreeNode) -> list[Node]:
    """The text within a block or a span."""
    children = node.children[0].children if node.children and node.children[0].type == "inline" else node.children
    return [_span(child) for child in children if child.type != "text" or child.content]


def _span(node: SyntaxTreeNode) -> Node:
    match node.type:
        case "text":
            return {"is": "text", "text": node.content}
        case "softbreak":
            return {"is": "text", "text": " "}
        case "hardbreak":
            return {"is": "break"}
        case "code_inline":
            return {"is": "code", "text": node.content}
        case "formula":
            return {"is": "formula", "text": node.content}
        case "em":
            return {"is": "emphasis", "body": _inline(node)}
        case "strong":
            return {"is": "strong", "body": _inline(node)}
        case "link":
            return _link(str(node.attrs["href"]), _inline(node))
    raise ValueError(f"no {node.type} can stand in a line")


def _link(to: str, body: list[Node]) -> Node:
    return {"is": "jump", "to": to[1:], "body": body} if to.startswith("#") else {"is": "link", "to": to, "body": body}
