import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench.report.document import Cell, Document, Figure, Prose, Reference, Table
from bench.report.paper.lines import Lines, ranges
from bench.report.paper.page import page
from bench.report.tables.markdown import escaped
from bench.schema import UserError

EVIL = """"><img src=x onerror="alert(1)"></script></style><script>alert(1)</script>'&amp;"""
VOID = {"meta", "link", "br", "img", "wbr", "hr"}


class Reader(HTMLParser):
    """Collects the tags with their attributes, and checks that every one is closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def paper(text: str = "he", ids: tuple[str, str] = ("00a", "00b")) -> Document:
    both = Table("t", "*Both*", ("arm", "mean"), ((Cell(text), Cell("1.5 [1, 2]", 1.51, ids)),), 1, ("arm",))
    runs = Table("runs", "", ("run", "arm"), tuple((Cell(one, None, (one,)), Cell(text)) for one in ids), 1, ("arm",))
    figure = Figure("curves", "A figure", '<svg width="9pt" viewBox="0 0 9 9"><g id="curves-0"/></svg>', text)
    prose = Prose("## Curves\n\nSee [it](#curves).\n\n### *Deep* [down](#t)\n\ntext\n\n## Curves")
    references = (Reference("he2015", "He *et al.*"),)
    return Document(text, (prose, figure, both), references, "at `abc`", "ff" * 32, appendix=(runs,))


def test_the_same_document_gives_the_same_page() -> None:
    assert page(paper()) == page(paper())


def test_every_element_is_closed_and_every_id_stands_for_one_place() -> None:
    reader = Reader(page(paper()))
    ids = reader.values("id")
    assert sorted(set(ids)) == sorted(ids)
    targets = {target[1:] for target in reader.values("href") if target.startswith("#")}
    assert targets <= set(ids)
    assert {"curves", "section-curves", "section-curves-2", "t", "run-00a", "ref-he2015"} <= set(ids)


def test_headings_follow_in_order_and_make_the_contents() -> None:
    text = page(replace(paper(), blocks=(Prose("# One\n\n#### Three"), Prose("## Two"), Prose("### Four"))))
    assert re.findall("<h([1-6])", text.partition("<dialog")[0]) == ["1", "2", "3", "2", "3", "2"]
    assert re.findall('<li class="level-(.)"><a href="#([^"]+)">', text) == [
        ("2", "section-one"),
        ("3", "section-three"),
        ("2", "section-two"),
        ("3", "section-four"),
        ("2", "section-references"),
    ]


def test_references_stand_before_the_appendix() -> None:
    opened = page(paper())
    assert opened.index('id="t"') < opened.index('id="ref-he2015"') < opened.index('id="runs"')
    assert "section-references" not in page(replace(paper(), references=()))


def test_a_formula_is_mathml_and_a_dollar_of_a_name_is_not() -> None:
    text = page(Document("t", (Prose(rf"Above $a_0 + lambda$, not {escaped('$a_0$')}."),), (), ""))
    assert "<math><msub><mi>𝑎</mi><mn>0</mn></msub><mo>+</mo><mi>𝜆</mi></math>, not $a_0$." in text
    with pytest.raises(UserError, match=r"the formula \$a_0 \+ nonsense\$ of the template cannot be read"):
        page(Document("t", (Prose("$a_0 + nonsense$"),), (), ""))


def test_a_heading_in_the_contents_has_no_link_within_its_link() -> None:
    assert '<a href="#section-deep-down-t"><em>Deep</em> down</a></li>' in page(paper())


def test_nothing_is_fetched_from_anywhere() -> None:
    reader = Reader(page(replace(paper(), blocks=(Prose("![picture](https://example.org/a.png)"),))))
    assert {tag for tag, _ in reader.tags}.isdisjoint({"img", "iframe", "object", "embed", "video", "audio", "base"})
    assert reader.values("src") == []
    assert [one["href"] for tag, one in reader.tags if tag == "link"] == ["data:,"]
    assert "@import" not in page(paper())
    assert "url(" not in page(paper())


@pytest.mark.parametrize("field", ["title", "footer", "digest"])
def test_no_text_of_a_document_is_markup(field: str) -> None:
    clean, evil = page(paper()), page(replace(paper(), **{field: EVIL}))
    assert [tag for tag, _ in Reader(evil).tags if tag not in ("code", "p")] == [
        tag for tag, _ in Reader(clean).tags if tag not in ("code", "p")
    ]


def test_no_text_of_a_row_is_markup() -> None:
    clean, evil = Reader(page(paper())), Reader(page(paper(EVIL, (f"1{EVIL}", f"2{EVIL}"))))
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in clean.tags]
    assert {key for _, one in evil.tags for key in one} == {key for _, one in clean.tags for key in one}


@pytest.mark.parametrize("markdown", [EVIL, "[x](javascript:alert)", "[x](data:text/html;base64,AA)", "<b>x</b>"])
def test_markdown_brings_no_markup_of_its_own(markdown: str) -> None:
    blocks = (Prose(markdown), Table("t", markdown, ("a",), ()), Figure("f", markdown, "<svg></svg>", ""))
    references = (Reference("k", markdown),)
    reader = Reader(page(Document("t", blocks, references, markdown)))
    found = [tag for tag, _ in reader.tags]
    assert found.count("script") == 2
    assert not {"img", "b"} & {tag for tag, one in reader.tags if one}
    assert not any(re.match("javascript|data:t", target) for target in reader.values("href"))


def test_a_cell_of_several_runs_leads_to_the_first_and_names_all_by_their_places() -> None:
    text = page(paper())
    assert '<td class="n" data-value="1.51"><a href="#run-00a" data-runs="0-1">1.5 [1, 2]</a></td>' in text
    assert '<script type="application/json" id="run-ids">["00a","00b"]</script>' in text


def test_a_run_of_two_studies_has_one_anchor() -> None:
    (table,) = paper().appendix
    assert isinstance(table, Table)
    ids = Reader(page(replace(paper(), appendix=(table, replace(table, name="runs-b"))))).values("id")
    assert ids.count("run-00a") == 1


def test_runs_without_a_line_of_their_own_are_still_named() -> None:
    lines = Lines([Table("t", "", ("a", "n"), ((Cell("x"), Cell("1", 1, ("r2", "r1"))),))])
    assert lines.ids == ("r2", "r1")


def test_ranges_are_as_few_as_they_can_be() -> None:
    assert [*ranges([5, 0, 1, 2, 2, 9, 10])] == ["0-2", "5", "9-10"]
    assert [*ranges([])] == []


def test_an_axis_with_one_choice_has_no_filter() -> None:
    assert "<select" not in page(paper())
    lines = ((Cell("a"), Cell("1")), (Cell("b"), Cell("2")))
    text = page(replace(paper(), blocks=(Table("t", "", ("arm", "n"), lines, 1, ("arm",)),), appendix=()))
    assert re.findall('<select name="(.+?)"|<option value="(.*?)"', text) == [
        ("arm", ""),
        ("", ""),
        ("", "a"),
        ("", "b"),
    ]


def test_a_table_without_lines_still_makes_a_page() -> None:
    assert "Table 1." in page(Document("t", (Table("t", "none", ("a", "b"), (), 1, ("a",)),), (), ""))


def test_ten_thousand_runs_make_a_page_of_a_few_megabytes() -> None:
    ids = [f"{place * 0x9E3779B97F4A7C15 % 2**64:016x}" for place in range(10_000)]
    runs = Table(
        "runs",
        "",
        ("run", "model", "initializer", "seed", "accuracy"),
        tuple(
            (
                Cell(one, None, (one,)),
                Cell("resnet20"),
                Cell("he_normal"),
                Cell(str(place), place),
                Cell("98.1", 0.98123),
            )
            for place, one in enumerate(ids)
        ),
        3,
    )
    arms = Table("t", "", ("arm", *"abcdefgh"), ((Cell("x"), *[Cell("1", 1, tuple(ids[::2]))] * 8),) * 50)
    assert len(page(Document("t", (arms, runs), (), ""))) < 15e6
