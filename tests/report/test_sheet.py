"""One sheet in every format: text for a terminal, markdown for a page, csv and json for programs."""

import json

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from bench.report.document import Cell, Section, Sheet, Table, records
from bench.report.terminal import FORMATS, render
from bench.schema import UserError

TABLE = Table("t", "", ("name", "speed"), ((Cell("a"), Cell("1.2", 1.23456)), (Cell("long name"), Cell("-"))))
FRAME = pd.DataFrame({"name": ["a", "long name"], "speed": [1.23456, float("nan")]})
PARTS = (TABLE, ("One sentence.", "Another one."), Section("Under a heading", (TABLE, "What it says."), level=2))


def sheet(*parts, page=None):
    return Sheet(parts, FRAME, {"table": records(FRAME)}, page)


def test_text_aligns_tables_and_wraps_sentences_each_on_a_line_of_its_own():
    assert render(sheet(*PARTS), "text", width=40).splitlines() == [
        "  name       speed",
        "  a            1.2",
        "  long name      -",
        "",
        "One sentence.",
        "Another one.",
        "",
        "Under a heading",
        "  name       speed",
        "  a            1.2",
        "  long name      -",
        "",
        "  What it says.",
    ]


def test_markdown_has_headings_pipe_tables_and_lists():
    table = ["| name | speed |", "| --- | ---: |", "| a | 1.2 |", "| long name | - |"]
    listed = ["- One sentence.", "- Another one."]
    assert render(sheet(*PARTS), "markdown").splitlines() == [
        *(*table, "", *listed, "", "## Under a heading", "", *table, "", "What it says.")
    ]


def test_a_page_may_have_parts_of_its_own():
    both = sheet("for a terminal", page=("for a page",))
    assert (render(both, "text"), render(both, "markdown")) == ("for a terminal\n", "for a page\n")


def test_csv_is_the_frame_and_json_the_record_in_full_precision():
    assert render(sheet(TABLE), "csv") == "name,speed\na,1.23456\nlong name,\n"
    assert json.loads(render(sheet(TABLE), "json")) == {
        "table": [{"name": "a", "speed": 1.23456}, {"name": "long name", "speed": None}]
    }


def test_the_label_columns_stand_to_the_left_the_others_to_the_right():
    table = Table("t", "", ("a", "b", "c"), (tuple(map(Cell, ("xx", "yy", "zz"))),), labels=2)
    assert "| --- | --- | ---: |" in render(sheet(table), "markdown")


@pytest.mark.parametrize("text", ["a|b", "*a*", "a*b*", "`a`", "<i>", "[a](b)", "_a_", "0.1 [0.0, 0.2]*", "a_b", "x**"])
def test_a_cell_of_markdown_reads_as_its_text(text):
    table = Table("t", "", ("name", "n"), ((Cell(text), Cell("1")),))
    page = MarkdownIt("gfm-like", {"linkify": False}).render(render(sheet(table), "markdown"))
    assert f"<td>{text.replace('<', '&lt;').replace('>', '&gt;')}</td>" in page


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_ends_with_one_newline(format):
    text = render(sheet(*PARTS), format)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="'html'; there are text, markdown, csv, json"):
        render(sheet(), "html")
