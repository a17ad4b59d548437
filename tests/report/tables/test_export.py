import csv
import io
import re
import shutil
import subprocess

import pytest
from markdown_it import MarkdownIt

from bench.report.document import Cell, Table
from bench.report.tables import export

NASTY = r"""a|b_c & 50 % #1 $x$ {y} ~ ^ \z <i> *s* `k` "q" 'r' [l](m) -- ---"""


def table(*texts: str, caption: str = "A *caption* of `a_b`.", lines: int = 1) -> Table:
    line = (*map(Cell, texts), Cell("-0.5 [-1.0, 0.1]", -0.5123456789012345, ("b", "a")), Cell("3", None, ("a", "c")))
    return Table("t", caption, (*(["name"] * len(texts)), "points", "runs"), (line,) * lines, len(texts))


def has_latex() -> bool:
    return (
        bool(shutil.which("pdflatex"))
        and subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0
    )


def read(text: str) -> list[list[str]]:
    return [*csv.reader(io.StringIO(text))]


def test_csv_has_full_precision_and_the_ids_of_the_runs_of_a_line_once() -> None:
    header, line = read(export.csv(table("he")))
    assert header == ["name", "points", "runs", "run ids"]
    assert line == ["he", "-0.5123456789012345", "3", "b a c"]


def test_csv_brings_every_text_back_as_it_was() -> None:
    text = 'a,"b"\nc\t=1+1; <script>'
    assert read(export.csv(table(text)))[1][0] == text


def test_what_a_column_of_numbers_does_not_know_is_empty_in_csv() -> None:
    lines = ((Cell("a"), Cell("1.0", 1.04), Cell("-")), (Cell("-"), Cell("-"), Cell("different")))
    assert read(export.csv(Table("t", "", ("n", "x", "verdict"), lines)))[1:] == [
        ["a", "1.04", "-", ""],
        ["-", "", "different", ""],
    ]


def test_markdown_shows_every_text_as_it_is() -> None:
    page = MarkdownIt("gfm-like", {"linkify": False}).render(export.markdown(table(NASTY, "w\n\nx")))
    cells = re.findall("<td[^>]*>(.*?)</td>", page)
    assert [
        cell.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&") for cell in cells
    ] == [
        NASTY,
        "w x",
        "-0.5 [-1.0, 0.1]",
        "3",
    ]
    assert "<p>A <em>caption</em> of <code>a_b</code>.</p>" in page


def test_numbers_of_markdown_stand_right_and_names_keep_their_underscores() -> None:
    lines = export.markdown(table("he_normal")).splitlines()
    assert lines[3:] == ["| --- | ---: | ---: |", "| he_normal | -0.5 [-1.0, 0.1] | 3 |"]


def test_latex_has_the_rules_of_booktabs_and_a_caption() -> None:
    assert export.latex(table("he_normal")).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\caption{A \emph{caption} of \texttt{a\_b}.}\label{tab:t}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"name & points & runs \\",
        r"\midrule",
        r"he\_normal & $-$0.5 [$-$1.0, 0.1] & 3 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_latex_escapes_every_special_letter() -> None:
    (line,) = [line for line in export.latex(table(NASTY)).splitlines() if line.startswith("a")]
    cell = line.split(" & $-$")[0]
    assert cell == (
        r"a\textbar{}b\_c \& 50 \% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z "
        r"\textless{}i\textgreater{} *s* "
        r"\textasciigrave{}k\textasciigrave{} \char34{}q\char34{} 'r' [l](m) -{}- -{}-{}-"
    )


@pytest.mark.parametrize("text", ["[2pt]", "*"])
def test_a_cell_is_no_argument_of_the_command_before_it(text: str) -> None:
    assert rf"{{}}{text} & " in export.latex(table(text))


def test_a_long_latex_table_runs_over_pages_and_repeats_its_header() -> None:
    short, long = (export.latex(table("a", lines=lines)) for lines in (export.LONG, export.LONG + 1))
    assert r"\begin{tabular}" in short
    assert r"\begin{longtable}{lrr}" in long
    assert "\\midrule\n\\endhead\n" in long


@pytest.mark.skipif(not has_latex(), reason="no pdflatex with booktabs here: LaTeX tables are not compiled")
@pytest.mark.parametrize("lines", [1, export.LONG + 1])
def test_latex_compiles_whatever_stands_in_a_cell(tmp_path, lines: int) -> None:
    letters = "".join(map(chr, range(32, 127))) + "\x00\x1b\n\nµ±²√−σφ"
    text = export.latex(
        table(NASTY, letters, "[2pt]", caption=r"A *caption*, 5 % of `a_b\` & [x](#y) √ < σ", lines=lines)
    )
    head = r"\documentclass[landscape]{article}\usepackage{booktabs,longtable}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{head}\n{text}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-2000:]
