"""The PDF: the same bytes from the same document, every text as it is, every link leading somewhere."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typst

from bench.report.document import Cell, Document, Figure, Prose, Reference, Table
from bench.report.paper.pdf import content, pdf
from bench.report.tables.markdown import escaped
from bench.schema import UserError

SPECIAL = [
    *"_#$*@<>[]\\`~=+-'\"/^&|{}()%",
    "//",
    "/*",
    "*/",
    "--",
    "$x$",
    "#let x = 1",
    "@ref",
    "<label>",
    "https://x.y",
]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"><path d="M 0 0 L 72 36"/></svg>'
RUNS = tuple(f"{number:016x}" for number in range(3))


def paper(text: str = "he") -> Document:
    figure = Figure("curves", f"A figure of {escaped(text)}Z", SVG, f"alt {text}")
    results = Table(
        "results",
        f"All of {escaped(text)}Z",
        ("arm", f"mean {text}Z"),
        ((Cell(f"c{text}c"), Cell("1 [0.5, 1.5], of three runs", 1, RUNS)),),
    )
    runs = Table("runs", "", ("run", "arm"), tuple((Cell(run, None, (run,)), Cell("fixup")) for run in RUNS))
    body = Prose(f"## Abstract\n\nSee [it](#curves), [them](#results) and [He](#ref-he2015).\n\n## A{escaped(text)}Z")
    references, appendix = (Reference("he2015", "He *et al.* 2015"),), (Prose("## Appendix: every run"), runs)
    return Document(f"T{text}T", (body, figure, results), references, f"F{text}F", "ab" * 32, appendix=appendix)


def prose(text: str) -> Document:
    return Document("", (Prose(text),), (), "")


def of(name: str, blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [block for block in blocks if block["is"] == name]


def words(document: Document, tmp_path: Path) -> str:
    """The text that a reader of the PDF can select."""
    if not (reader := shutil.which("pdftotext")):
        pytest.skip("poppler's pdftotext is not installed")
    (tmp_path / "paper.pdf").write_bytes(pdf(document))
    command = [reader, str(tmp_path / "paper.pdf"), "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_paper_is_a_pdf_without_a_date() -> None:
    made = pdf(paper())
    assert made.startswith(b"%PDF-")
    assert b"CreationDate" not in made
    assert b"ModDate" not in made


def test_the_same_document_is_the_same_bytes_in_another_process_folder_and_time(tmp_path: Path) -> None:
    code = "import hashlib, runpy, sys; here = runpy.run_path(sys.argv[1]); "
    code += "print(hashlib.sha256(here['pdf'](here['paper']())).hexdigest())"
    there = os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "99", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, __file__]
    told = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, text=True, check=True).stdout
    assert told.strip() == hashlib.sha256(pdf(paper())).hexdigest()


def test_every_part_of_a_document_changes_its_bytes() -> None:
    one = paper()
    others = [
        replace(one, title="x"),
        replace(one, footer="x"),
        replace(one, digest="cd" * 32),
        replace(one, blocks=(*one.blocks, Prose("x"))),
        replace(one, references=(Reference("he2015", "x"),)),
    ]
    assert len({pdf(document) for document in (one, *others)}) == len(others) + 1


@pytest.mark.parametrize("text", SPECIAL)
def test_a_name_with_a_mark_of_typst_or_markdown_comes_out_as_it_is(text: str, tmp_path: Path) -> None:
    read = together(words(paper(text), tmp_path))
    for written in (
        f"T{text}T",
        f"F{text}F",
        f"A{text}Z",
        f"c{text}c",
        f"A figure of {text}Z",
        f"All of {text}Z",
        f"mean {text}Z",
    ):
        assert together(written) in read


def together(text: str) -> str:
    """Without spaces and breaks, and with the quotes of a keyboard."""
    return "".join(text.split()).translate(str.maketrans("‘’“”", "''\"\""))


@pytest.mark.parametrize(
    ("markdown", "body"),
    [
        ("a\nb", [{"is": "text", "text": "a"}, {"is": "text", "text": " "}, {"is": "text", "text": "b"}]),
        ("`#a`", [{"is": "code", "text": "#a"}]),
        ("*a*", [{"is": "emphasis", "body": [{"is": "text", "text": "a"}]}]),
        ("**a**", [{"is": "strong", "body": [{"is": "text", "text": "a"}]}]),
        ("[a](https://b)", [{"is": "link", "to": "https://b", "body": [{"is": "text", "text": "a"}]}]),
        ("<b>", [{"is": "text", "text": "<b>"}]),
    ],
)
def test_markdown_becomes_nodes(markdown: str, body: list[dict[str, Any]]) -> None:
    assert content(prose(markdown))["blocks"][0]["body"] == [{"is": "paragraph", "body": body}]


def test_every_block_of_markdown_is_set(tmp_path: Path) -> None:
    text = "## H\n\n### I\n\np\n\n- a\n  - b\n\n3. c\n4. d\n\n> q\n\n```\nx = 1  # y\n```\n\n---\n\nlast\\\nline"
    assert together(words(prose(text), tmp_path)).startswith("1H1.1Ip•a‣b3.c4.dqx=1#ylastline")


def test_an_empty_document_is_a_page() -> None:
    assert pdf(Document("", (Prose(""), Prose("##"), Table("t", "", ("a",), ())), (), "")).startswith(b"%PDF-")


def test_an_abstract_has_no_number_and_the_highest_heading_is_of_level_one(tmp_path: Path) -> None:
    read = words(prose("## Abstract\n\n## First\n\n### Deep\n\n## Second"), tmp_path)
    assert together(read).startswith("Abstract1First1.1Deep2Second")


def test_the_appendix_is_left_out(tmp_path: Path) -> None:
    assert [block["is"] for block in content(paper())["blocks"]] == ["prose", "figure", "table", "references"]
    assert pdf(paper()) == pdf(replace(paper(), appendix=()))


def test_a_formula_is_set_and_a_dollar_of_a_name_is_not(tmp_path: Path) -> None:
    read = together(words(prose(rf"The line $a_0 + lambda (1 - a_0)$ and {escaped('$a_0$')} in `$a_0$`."), tmp_path))
    assert "lambda" not in read
    assert "𝜆" in read
    assert "and$a_0$in$a_0$." in read


def test_a_link_to_nothing_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="#nowhere"):
        pdf(prose("[a](#nowhere)"))


def test_a_typst_without_its_fonts_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def __init__(self, **_: bool) -> None: ...
        def families(self) -> list[str]:
            return ["DejaVu Sans Mono"]

    monkeypatch.setattr(typst, "Fonts", Bare)
    with pytest.raises(UserError, match="without the font Libertinus Serif"):
        pdf(paper())


def test_only_fonts_that_travel_with_typst_are_used(tmp_path: Path) -> None:
    if not (reader := shutil.which("pdffonts")):
        pytest.skip("poppler's pdffonts is not installed")
    (tmp_path / "paper.pdf").write_bytes(
        pdf(replace(paper(), blocks=(*paper().blocks, Prose("`code` *it* **bold** σ² $sigma^2$"))))
    )
    told = subprocess.run([reader, str(tmp_path / "paper.pdf")], capture_output=True, text=True, check=True).stdout
    fonts = {line.split()[0].partition("+")[2].split("-")[0] for line in told.splitlines()[2:]}
    assert fonts == {"LibertinusSerif", "DejaVuSansMono", "NewCMMath"}
