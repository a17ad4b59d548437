"""A drawing stands in any page: no styles, no foreign ids, nothing fetched, names as they are."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import arm_styles
from bench.report.figures.svg import Tips, drawing, renamed

NAMES = ("$a$", "_b_", "<i>&amp;\"'", "a\\b", "#c {d}", "权 🎲")


def picture(name: str = "one", labels: Sequence[str] = ("a", "b")) -> Figure:
    """Panels with a line and marks each, and a legend."""
    tips = Tips()
    with style.styled():
        sheet, axes = style.panels(labels, 30, style.legend_height(labels))
        for axis, label in zip(axes, labels, strict=True):
            tips.add(label, *axis.plot([0, 1], [0, 1], "o-"))
        style.legend(sheet, arm_styles(labels))
        return Figure(name, "", drawing(sheet, name, tips), "")


def test_a_drawing_is_one_element_without_metadata_styles_or_anything_to_fetch() -> None:
    svg = picture().svg
    assert svg.startswith("<svg ")
    root = ElementTree.fromstring(svg)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        "svg", "defs", "g", "path", "use", "title", "clipPath", "rect"
    }  # fmt: skip
    for element in root.iter():
        assert "style" not in element.attrib
        assert all(key != "href" or value.startswith("#") for key, value in element.attrib.items())
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


def test_letters_are_paths_and_a_pointed_mark_tells() -> None:
    svg = picture().svg
    assert "<text" not in svg
    assert re.findall("<title>(.*?)</title>", svg) == ["a", "b"]


def test_every_id_stands_for_one_place_in_a_page_of_figures() -> None:
    figures = [picture("one"), picture("two"), renamed(picture("one"), "study.b-one")]
    page = "".join(figure.svg for figure in figures)
    ids = Counter(re.findall(r' id="([^"]+)"', page))
    targets = re.findall(r'(?:href="#|url\(#)([^")]+)', page)
    assert max(ids.values()) == 1
    assert set(targets) == set(ids)
    assert all(id.startswith(("one-", "two-", "study.b-one-")) for id in ids)
    assert figures[2].name == "study.b-one"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_and_told_as_it_is(name: str) -> None:
    root = ElementTree.fromstring(picture(labels=[name, "b"]).svg)
    assert [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")] == [name, "b"]


def test_another_label_is_another_drawing() -> None:
    assert picture(labels=["$a$", "b"]).svg != picture(labels=["a", "b"]).svg


def test_no_two_of_seventy_arms_look_alike_and_neighbours_differ_without_colour() -> None:
    styles = list(arm_styles(map(str, range(70))).values())
    assert len(set(styles)) == 70
    grey = [replace(one, colour="") for one in styles]
    assert len(set(grey[:55])) == 55


def test_a_title_of_many_lines_leaves_room_for_its_panel() -> None:
    with style.styled():
        sheet, _ = style.panels(["own: Hardswish, ReLU, Hardsigmoid/" * 3] * 8, 15)
        assert drawing(sheet, "one", Tips())  # matplotlib warns, which is an error here, where a panel has no room
