"""A table to take elsewhere: csv for a program, Markdown for a page, LaTeX for a paper.

In: a Table. Out: text. Touches: nothing.
"""

import csv as standard
import io
import re
from collections.abc import Iterable

from bench.report.document import Cell, Table
from bench.report.paper.lines import BLANKS, numbers
from bench.report.tables import latex as tex

LONG = 40  # lines, beyond which a LaTeX table runs over pages


def csv(table: Table) -> str:
    """The numbers behind the cells in full precision, and the ids of the runs of each line, spaces between them.

    What a column of numbers does not know is empty; a text stays as it is, whatever stands in it.
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
    """The caption and a table with pipes; no letter of a cell is read as markup."""
    rule = ["---:" if number else "---" for number in numbers(table)]
    lines = [[_literal(cell.text) for cell in line] for line in table.lines]
    piped = [f"| {' | '.join(line)} |" for line in ([*map(_literal, table.header)], rule, *lines)]
    return "\n".join([_flat(table.caption), "", *piped]) + "\n"


def latex(table: Table) -> str:
    """A table with the rules of booktabs, over several pages where it is long; the first line names its packages."""
    columns = "".join("r" if number else "l" for number in numbers(table))
    anchor = re.sub(r"[^\w.:-]", "-", table.name)
    caption = rf"\caption{{{tex.inline(table.caption)}}}\label{{tab:{anchor}}}"
    header, *lines = (_row(cells) for cells in (table.header, *([cell.text for cell in line] for line in table.lines)))
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


def _value(cell: Cell, numeric: bool) -> object:
    if cell.value is None:
        return "" if numeric and cell.text in BLANKS else cell.text
    return cell.value


def _literal(text: str) -> str:
    """Text for a cell of Markdown. Within a word an underscore is a letter, and brackets alone are no link."""
    return re.sub(r"[\\`*<&~|$]|(?<!\w)_|_(?!\w)|\](?=[(\[])", r"\\\g<0>", _flat(text))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _row(cells: Iterable[str]) -> str:
    line = " & ".join(tex.escaped(cell).strip() for cell in cells)
    return rf"{'{}' * line.startswith(('[', '*'))}{line} \\"  # or the command before would take it for its argument
