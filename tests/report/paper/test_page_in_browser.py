"""The page in a real browser: with a mouse, a keyboard, a phone, at night, on paper, and without its script."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.report.document import Cell, Document, Figure, Prose, Reference, Table
from bench.report.paper.page import page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page is not opened")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page is not opened"),
]

EVIL = """"><img src=x onerror="alert(1)"></script><script>alert(1)</script>"""
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="493pt" height="120pt" viewBox="0 0 493 120"><g id="curves-0">
<circle cx="60" cy="60" r="6"><title>he: 98.1 [97, 99]</title></circle>
<circle cx="160" cy="60" r="3"><title>glorot: 10.0</title></circle></g></svg>"""


def paper(lines: int = 30) -> Document:
    """Arms whose accuracies sort otherwise as text than as numbers, each of two runs, one arm with an evil name."""
    names = [EVIL, *(f"arm_{place}" for place in range(1, lines))]
    values = [None if place == 3 else place * 37 % lines + 0.25 for place in range(lines)]
    ids = [(f"a{place:05d}", f"b{place:05d}") for place in range(lines)]
    arms = zip(names, values, ids, strict=True)
    results = Table(
        "results",
        "Means; **all** of them, said at such length that a phone has to break the line.",
        ("initializer", "test_accuracy", "decision", *(f"another_measure_{place}" for place in range(6))),
        tuple(
            (Cell(name), Cell("-" if value is None else f"{value:.0f} %", value, runs), *[Cell("equivalent")] * 7)
            for name, value, runs in arms
        ),
        1,
        ("initializer",),
    )
    runs = Table(
        "runs",
        "Every run.",
        ("run", "initializer", "seed", "status"),
        tuple(
            (Cell(one, None, (one,)), Cell(name), Cell(str(seed), seed), Cell("ok" if seed else "diverged"))
            for name, both in zip(names, ids, strict=True)
            for seed, one in enumerate(both)
        ),
        2,
        ("initializer", "status"),
    )
    prose = Prose(f"## Results\n\nSee [the runs](#runs) and [He](#ref-he). `{EVIL.replace('`', '')}`")
    return Document(
        title=f"A study {EVIL}",
        blocks=(prose, Figure("curves", "Curves.", SVG, "Two marks"), results),
        references=(Reference("he", "He [x](https://example.org)"),),
        footer="commit `a`",
        digest="ff" * 32,
        appendix=(Prose("## Appendix"), runs),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with (
        sync_api.sync_playwright() as play,
        play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as one,
    ):
        yield one


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a document; the test fails on anything in the console, on a dialog of the browser, and on any request."""
    said: list[str] = []
    contexts = []

    def visit(document: Document, **options: Any) -> Any:
        file = tmp_path / "paper.html"
        file.write_text(page(document), encoding="utf-8")
        contexts.append(browser.new_context(**{"viewport": DESK, **options}))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
        tab.goto(file.as_uri())
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert said == []


def column(tab: Any, table: str, place: int) -> list[str]:
    """The texts of a column in the lines one can see."""
    return list(tab.locator(f"#{table} tbody tr:visible > :nth-child({place})").all_inner_texts())


def test_nothing_is_requested_and_no_name_runs_as_code(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    assert tab.locator("h1").inner_text() == f"A study {EVIL}"
    assert column(tab, "results", 1)[0] == EVIL
    assert tab.locator("img").count() == 0


def test_should_a_script_slip_through_the_policy_stops_it(
    opened: Callable[..., Any], browser: Any, tmp_path: Path
) -> None:
    text = page(paper()).replace("<main", "<script>document.title = 'run'</script><img src=x onerror=alert(1)><main")
    (tmp_path / "bad.html").write_text(text, encoding="utf-8")
    tab = browser.new_page()
    tab.goto((tmp_path / "bad.html").as_uri())
    assert tab.title() != "run"
    tab.close()


def test_a_heading_sorts_by_the_numbers_behind_the_cells_and_blanks_stay_last(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    before = column(tab, "results", 2)
    button = tab.get_by_role("button", name="test_accuracy")
    head = tab.locator("#results thead th").nth(1)
    button.click()
    rising = column(tab, "results", 2)
    assert rising == sorted(before, key=lambda text: float("inf") if text == "-" else float(text.split()[0]))
    assert rising[:-1] != sorted(rising[:-1])
    assert head.get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(tab, "results", 2) == [*rising[-2::-1], "-"]
    assert head.get_attribute("aria-sort") == "descending"
    button.click()
    assert column(tab, "results", 2) == before
    assert head.get_attribute("aria-sort") == "none"


def test_the_keyboard_sorts_too_and_names_sort_by_their_numbers(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    tab.locator("#results thead button").first.focus()
    tab.keyboard.press("Enter")
    names = column(tab, "results", 1)
    assert names.index("arm_2") < names.index("arm_10")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_filter_holds_for_every_table_with_its_axis(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    tab.get_by_label("initializer").select_option("arm_7")
    assert column(tab, "results", 1) == ["arm_7"]
    assert column(tab, "runs", 1) == ["a00007", "b00007"]
    tab.get_by_label("status").select_option("ok")
    assert column(tab, "runs", 1) == ["b00007"]
    assert column(tab, "results", 1) == ["arm_7"]
    assert tab.locator("#runs .count").inner_text() == "1 of 60 lines"
    tab.get_by_label("initializer").select_option(EVIL)
    assert column(tab, "runs", 1) == ["b00000"]
    tab.get_by_role("button", name="Show all").click()
    assert len(column(tab, "runs", 1)) == 60
    assert not tab.locator("#runs .count").is_visible()


def test_a_cell_opens_its_runs_and_each_leads_to_its_line_even_when_filtered_away(opened: Callable[..., Any]) -> None:
    tab = opened(paper(), viewport={"width": 900, "height": 700})
    tab.get_by_text("Filter the tables").click()
    tab.get_by_label("status").select_option("diverged")
    tab.locator("#results tbody tr").nth(7).locator("a").click()
    dialog = tab.get_by_role("dialog")
    assert dialog.get_by_role("link").all_inner_texts() == ["a00007", "b00007"]
    assert "arm_7, test_accuracy: 19 %" in dialog.inner_text()
    assert "seed 1, status ok" in dialog.inner_text()
    dialog.get_by_role("link", name="b00007").click()
    line = tab.locator("tr:target")
    assert line.locator("th").first.inner_text() == "b00007"
    assert not dialog.is_visible()
    sync_api.expect(line).to_be_in_viewport()
    line.locator("th").first.click(timeout=2000)  # and nothing lies over it


def test_escape_and_a_button_close_the_list_of_runs(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    for close in (lambda: tab.keyboard.press("Escape"), lambda: tab.get_by_role("button", name="Close").click()):
        tab.locator("#results td a").first.focus()
        tab.keyboard.press("Enter")
        assert tab.get_by_role("dialog").is_visible()
        close()
        assert not tab.get_by_role("dialog").is_visible()


def test_a_mark_tells_its_values_to_a_mouse_a_finger_and_the_arrow_keys(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    tip = tab.locator("#tip")
    tab.locator("circle").first.hover()
    assert tip.is_visible()
    assert tip.inner_text() == "he: 98.1 [97, 99]"
    tab.locator(".drawing").focus()
    for key, told in (
        ("ArrowLeft", "glorot: 10.0"),
        ("ArrowRight", "he: 98.1 [97, 99]"),
        ("ArrowRight", "glorot: 10.0"),
    ):
        tab.keyboard.press(key)
        assert tip.inner_text() == told
    tab.keyboard.press("Escape")
    assert not tip.is_visible()
    touched = opened(paper(), viewport=PHONE, has_touch=True, is_mobile=True)
    box = touched.locator("circle").nth(1).bounding_box()
    touched.locator(".drawing").scroll_into_view_if_needed()
    touched.touchscreen.tap(box["x"] + 12, box["y"] + 10)
    assert touched.locator("#tip").inner_text() == "glorot: 10.0"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_phone_scrolls_the_tables_and_not_the_page(opened: Callable[..., Any], width: int) -> None:
    tab = opened(paper(), viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    assert tab.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert tab.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('#results .box'))")
    caption = tab.locator("#results caption div").bounding_box()
    assert caption["x"] + caption["width"] <= width


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3) return light(colour);
    }
  };
  const texts = "h1, h2, p, a, th, td, caption div, figcaption, label, select, button, summary";
  return [...document.querySelectorAll(texts)].filter((e) => e.checkVisibility()).map((e) => {
    const [low, high] = [light(parse(getComputedStyle(e).color)), ground(e)].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), e.outerHTML.slice(0, 80)];
  }).sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground_by_day_and_by_night(opened: Callable[..., Any], scheme: str) -> None:
    tab = opened(paper(), color_scheme=scheme)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    ratio, where = tab.evaluate(CONTRAST)
    assert ratio >= 4.5, where  # WCAG 2.2, 1.4.3


def test_without_its_script_all_is_there_to_read_and_a_cell_leads_to_its_first_run(opened: Callable[..., Any]) -> None:
    tab = opened(paper(), java_script_enabled=False)
    assert len(column(tab, "runs", 1)) == 60
    assert tab.get_by_role("button").count() == 0
    assert not tab.get_by_text("Filter the tables").is_visible()
    tab.locator("#results td a").nth(7).click()
    assert tab.url.endswith("#run-a00007")
    tab.get_by_text("Contents").click()
    assert tab.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Results", "References", "Appendix"]


def test_a_reader_who_listens_finds_names_for_tables_figures_and_boxes(opened: Callable[..., Any]) -> None:
    tab = opened(paper())
    assert tab.locator("html").get_attribute("lang") == "en"
    assert tab.get_by_role("table", name=re.compile("^Table 1. Means")).count() == 1
    assert tab.get_by_role("img", name="Two marks").count() == 1
    assert tab.get_by_role("region", name=re.compile("^Table 2.")).count() == 1
    assert tab.get_by_role("rowheader", name="a00001").count() == 1


def test_print_shows_every_line_and_no_controls(opened: Callable[..., Any]) -> None:
    tab = opened(paper(200))
    tab.emulate_media(media="print")
    assert not tab.get_by_text("Contents").is_visible()
    assert tab.evaluate("(box => box.scrollHeight === box.clientHeight)(document.querySelector('#runs .box'))")
