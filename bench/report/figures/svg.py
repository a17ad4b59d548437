"""A drawing as one SVG element that can stand beside others in a page, with tooltips.

In: matplotlib's Figure. Out: text. Touches: nothing.
"""

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from matplotlib.artist import Artist
from matplotlib.figure import Figure as Sheet

from bench.report.document import Figure

NAMESPACE = "http://www.w3.org/2000/svg"
POINTER = re.compile(r"(?<=#)[^)]+")
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


class Tips(dict[str, str]):
    """The tooltips of a drawing: by the id of an element within it, the text that a reader sees there."""

    def add(self, text: str, *artists: Artist) -> None:
        """Give these artists the tooltip."""
        for artist in artists:
            artist.set_gid(f"tip{len(self)}")
            self[f"tip{len(self)}"] = text


def drawing(sheet: Sheet, name: str, tips: Tips) -> str:
    """The sheet as SVG: no declaration, no metadata, no style sheet, its text as paths, its ids prefixed by `name`.

    The same sheet gives the same bytes.
    """
    root = ElementTree.fromstring(_rendered(sheet))
    _strip(root)
    for element in root.iter():
        if tip := tips.get(element.get("id", "")):
            title = Element("title")
            title.text = tip
            element.insert(0, title)
    _rename_ids(root, name)
    root.set("xmlns", NAMESPACE)
    return ElementTree.tostring(root, encoding="unicode")


def renamed(figure: Figure, name: str) -> Figure:
    """The figure under another name, with its ids renamed."""
    own = re.compile(rf'(?<=["#]){re.escape(figure.name)}(?=-[0-9]+[")])')
    return replace(figure, name=name, svg=own.sub(lambda found: name, figure.svg))


def _rendered(sheet: Sheet) -> str:
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a name in another script is drawn as boxes
        sheet.savefig(text, format="svg", metadata=NO_METADATA)
    return text.getvalue()


def _strip(root: Element) -> None:
    """Keep local names and presentation attributes alone: no page's policy on styles can forbid those."""
    for parent in root.iter():
        for child in [*parent]:
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        element.text = element.tail = None
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        attributes |= dict(_declarations(attributes.pop("style", "")))
        element.attrib.clear()
        element.attrib.update(attributes)
    root.attrib.pop("version", None)
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}  # from the style sheet, for every element


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for declaration in style.split(";"):
        key, colon, value = declaration.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _rename_ids(root: Element, name: str) -> None:
    """Number the ids that something points to, and drop the others."""
    pointers = [
        (element, key)
        for element in root.iter()
        for key, value in element.attrib.items()
        if key == "href" or value.startswith("url(#")
    ]
    targets = dict.fromkeys(POINTER.findall(element.attrib[key])[0] for element, key in pointers)
    numbers = {target: f"{name}-{number}" for number, target in enumerate(targets)}
    for element in root.iter():
        if (id := element.attrib.pop("id", None)) in numbers:
            element.set("id", numbers[id])
    for element, key in pointers:
        element.set(key, POINTER.sub(lambda found: numbers[found[0]], element.attrib[key]))
