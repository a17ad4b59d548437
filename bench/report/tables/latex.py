"""Text and Markdown as LaTeX for any engine, with the standard packages alone.

In: text, CommonMark of one paragraph. Out: LaTeX. Touches: nothing.
"""

import re
from collections.abc import Iterable

from bench.report.tables import tree

SPECIAL = {
    **{letter: f"\\{letter}" for letter in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",  # a shorthand of some languages
    "−": "$-$",
    "√": r"$\surd$",
    "∫": r"$\int$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    **{letter: f"$\\{name}$" for letter, name in zip("μπσφΦ", ("mu", "pi", "sigma", "varphi", "Phi"), strict=True)},
}
SPANS = {"code": "texttt", "emphasis": "emph", "strong": "textbf"}


def escaped(text: str) -> str:
    """The text on one line, every letter as it reads; the hyphen before a number is a minus."""
    line = "".join(letter for letter in re.sub(r"\s+", " ", text) if letter.isprintable())
    line = re.sub(r"(?<![\w-])-(?=[\d.])", "−", line)
    return re.sub("-(?=-)", "-{}", "".join(SPECIAL.get(letter, letter) for letter in line))  # two would become a dash


def inline(markdown: str) -> str:
    """A caption, with its emphasis and code, and the text of its links."""
    return _set(tree.inline(markdown))


def _set(nodes: Iterable[tree.Node]) -> str:
    return "".join(_span(node) for node in nodes)


def _span(node: tree.Node) -> str:
    text = _set(node["body"]) if "body" in node else escaped(node.get("text", " "))
    return rf"\{SPANS[node['is']]}{{{text}}}" if node["is"] in SPANS else text
