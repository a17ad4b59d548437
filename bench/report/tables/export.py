"""A table as csv for a program, as Markdown for a page, as LaTeX for a paper.

In: a Table. Out: text. Touches: nothing.
"""

import csv as standard
import io
import math
import re
from collections.abc import Iterable

from bench.report.document import Cell, Table
from bench.report.tables import latex as tex
from bench.report.wording.format import DASH

BLANKS = ("", DASH)
LONG = 40  # lines, beyond which a LaTeX table runs over pages


def csv(table: Table) -> str:
    """The values of the cells in full precision, and the ids of the runs of each line, separated by spaces.

    A number that is not known is empty; a text stays as it is.
    """
    out = io.StringIO()
    numeric = numbers(table)
    writer = standard.writer(out, lineterminator="\n")
    writer.writerow([*table.header, "run ids"])
    for line in table.lines:
        runs = dict.fromkeys(run for cell in line for run in cell.runs)
        writer.writerow([*map(_value, line, numeric), " ".join(runs)])
    return out.getvalue()


def markdown(table: Table) -> str:
    """The caption and a table with pipes."""
    return "\n".join([_flat(table.caption), "", *piped(table)]) + "\n"


def piped(table: Table) -> list[str]:
    """The lines of a table with pipes, its numbers to the right; no letter of a cell is read as markup."""
    rule = ["---" if label else "---:" for label in labelled(table)]
    lines = [[_literal(text) for text in line] for line in texts(table)]
    return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]


def texts(table: Table) -> list[list[str]]:
    """The texts of the header and of each line."""
    return [[*table.header], *([cell.text for cell in line] for line in table.lines)]


def labelled(table: Table) -> list[bool]:
    """Of each column, whether it names the lines and stands to the left: the labels, or else the first."""
    return [place < max(table.labels, 1) for place in range(len(table.header))]


def latex(table: Table) -> str:
    """A table with the rules of booktabs, over several pages where it is long; the first line names its packages."""
    columns = "".join("r" if number else "l" for number in numbers(table))
    anchor = re.sub(r"[^\w.:-]", "-", table.name)
    caption = rf"\caption{{{tex.inline(table.caption)}}}\label{{tab:{anchor}}}"
    header, *lines = map(_row, texts(table))
    if len(lines) > LONG:
        opened = ["% \\usepackage{booktabs,longtable}", rf"\begin{{longtable}}{{{columns}}}", rf"{caption} \\"]
        head, closed = [r"\toprule", header, r"\midrule", r"\endhead"], [r"\end{longtable}"]
    else:
        opened = [
            "% \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            caption,
            rf"\begin{{tabular}}{{{columns}}}",
        ]
        head, closed = [r"\toprule", header, r"\midrule"], [r"\end{tabular}", r"\end{table}"]
    return "\n".join([*opened, *head, *lines, r"\bottomrule", *closed]) + "\n"


def numbers(table: Table) -> list[bool]:
    """Of each column, whether it sorts as numbers: behind the labels, and at least one cell is a number."""
    columns = zip(*table.lines, strict=True) if table.lines else ((),) * len(table.header)
    return [place >= table.labels and any(map(_is_number, column)) for place, column in enumerate(columns)]


def _is_number(cell: Cell) -> bool:
    if isinstance(cell.value, str) or cell.text in BLANKS:
        return False
    try:
        return math.isfinite(float(cell.text if cell.value is None else cell.value))
    except ValueError:
        return False


def _value(cell: Cell, numeric: bool) -> object:
    if cell.value is None:
        return "" if numeric and cell.text in BLANKS else cell.text
    return cell.value


def _literal(text: str) -> str:
    """Text for a cell of Markdown. An underscore within a word, a last asterisk and brackets alone are no markup."""
    return re.sub(r"[\\`<&~|$]|\*(?!$)|(?<!\w)_|_(?!\w)|\](?=[(\[])", r"\\\g<0>", _flat(text))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _row(cells: Iterable[str]) -> str:
    line = " & ".join(tex.escaped(cell).strip() for cell in cells)
    return rf"{'{}' * line.startswith(('[', '*'))}{line} \\"  # or the command before would take it for its argument
