"""How every figure looks: type at print size, sheets with panels, legends.

In: millimetres and names. Out: empty sheets. Touches: nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D

from bench.report.figures.arms import ArmStyle

FULL, TALLEST = 166.0, 225.0  # mm: the width of the text, and a page's height less a caption
SHORT, TITLE = 1, 3.0  # line breaks of a title for which a panel has room, and mm for each one more
BELOW = 7.0  # mm, for the name of the scale that all panels share
INCH = 25.4  # mm
SMALL, PLAIN = 7.0, 8.0  # pt
LETTER = 1.45  # mm, the width of a letter of small type
GREY, PALE = "#595959", "#E4E4E4"
STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along: the same letters on every machine
    "font.size": SMALL,
    "axes.titlesize": SMALL,
    "figure.labelsize": PLAIN,
    "axes.labelsize": PLAIN,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 3,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.7,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "text.parse_math": False,  # a name may hold a dollar
    "svg.fonttype": "path",
    "svg.hashsalt": "initbench",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib draws as the paper does, whatever the user's own matplotlibrc says."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def sheet(height: float) -> Sheet:
    """An empty drawing as wide as the text; its height is in millimetres."""
    return Sheet(figsize=(FULL / INCH, height / INCH))


def panels(
    titles: Sequence[str], height: float, legend: float = 0.0, columns: int | None = None
) -> tuple[Sheet, list[Axes]]:
    """A sheet with an empty panel per title, `columns` in a line, and `legend` mm left above them.

    A line of panels is `height` mm, more where a title has many lines, less where that fills a page.
    """
    columns = columns or per_line(len(titles))
    lines = -(-len(titles) // columns)
    letters = int(FULL / columns / LETTER) - 5  # the scale beside a panel takes some
    above = ["\n".join(broken(line, letters) for line in title.split("\n")) for title in titles]
    height += max(0, max(title.count("\n") for title in above) - SHORT) * TITLE
    height = min(height, (TALLEST - legend - BELOW) / lines)
    drawn = sheet(lines * height + legend + BELOW)
    axes = [drawn.add_subplot(lines, columns, place + 1) for place in range(len(titles))]
    for axis, title in zip(axes, above, strict=True):
        axis.set_title(title)
    return drawn, axes


def per_line(count: int) -> int:
    """How many panels stand side by side: two to four, so that type stays at its size."""
    return count if count < 4 else 3 if count in (5, 6, 9) else 4


def room(least: float, legend: float = 0.0, columns: int = 4) -> int:
    """How many panels fit on a page that are at least `least` mm high."""
    return columns * max(1, int((TALLEST - legend - BELOW) // least))


def legend_height(names: Sequence[str]) -> float:
    """Millimetres that a legend of these names needs above the panels."""
    return 3.8 * -(-len(names) // legend_columns(names)) + 2


def legend_columns(names: Sequence[str]) -> int:
    """How many names fit side by side: the mark before a name takes 10 mm."""
    return max(1, min(len(names), int(FULL // (LETTER * max(map(len, names)) + 10))))


def legend(drawn: Sheet, names: Mapping[str, ArmStyle], lines: bool = True) -> None:
    """Draw the names and styles of the arms above the panels."""
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, linestyle=style.dash if lines else "none")
        for style in names.values()
    ]
    drawn.legend(handles, list(names), loc="outside upper center", ncols=legend_columns(list(names)), handlelength=2.5)


def broken(name: str, width: int) -> str:
    """The name in lines of about `width` letters, broken after what joins its parts."""
    lines = [""]
    for word in re.findall(r"[^/_, =(]*[/_, =(]?", name):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.strip(" ") for line in lines)
