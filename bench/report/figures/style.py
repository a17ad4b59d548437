"""How every figure looks: type at print size, colours that the colour-blind and grey printers can tell, and marks.

In: millimetres and names of arms. Out: empty sheets and looks. Touches: nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D

from bench.report.figures.words import broken

COLUMN, FULL, TALLEST = 84.0, 174.0, 225.0  # mm: one column, the page's width, a page's height less a caption
BELOW = 7.0  # mm, for the name of the scale that all panels share
INCH = 25.4  # mm
SMALL, PLAIN = 7.0, 8.0  # pt
LETTER = 1.45  # mm, the width of a letter of small type
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")  # Okabe and Ito 2008, no yellow
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES = ((0, ()), (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (2, 1)))
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


@dataclass(frozen=True)
class Look:
    """How an arm is drawn. Neighbours in the list differ in all three, so that grey print tells them apart."""

    colour: str
    marker: str
    dash: Any


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib draws as the paper does, whatever the user's own matplotlibrc says."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def looks(arms: Iterable[str]) -> dict[str, Look]:
    """A look for each arm, by its place among all arms of the study: the same one in every figure."""
    return {
        arm: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], DASHES[i % len(DASHES)])
        for i, arm in enumerate(arms)
    }


def sheet(width: float, height: float) -> Sheet:
    """An empty drawing of so many millimetres."""
    return Sheet(figsize=(width / INCH, height / INCH))


def panels(titles: Sequence[str], height: float, legend: float = 0.0) -> tuple[Sheet, list[Axes]]:
    """A sheet with an empty panel per title, and so many millimetres left above.

    A line of panels is `height` mm, less where that fills a page.
    """
    columns = per_line(len(titles))
    lines = -(-len(titles) // columns)
    height = min(height, (TALLEST - legend - BELOW) / lines)
    drawn = sheet(COLUMN if len(titles) == 1 else FULL, lines * height + legend + BELOW)
    axes = [drawn.add_subplot(lines, columns, place + 1) for place in range(len(titles))]
    letters = int(drawn.get_figwidth() * INCH / columns / LETTER) - 5  # the scale beside a panel takes some
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title("\n".join(broken(line, letters) for line in title.split("\n")))
    return drawn, axes


def per_line(count: int) -> int:
    """How many panels stand side by side: two to four, so that type stays at its size."""
    return count if count < 4 else 3 if count in (5, 6, 9) else 4


def room(least: float, legend: float = 0.0) -> int:
    """How many panels fit on a page that are at least so many millimetres high."""
    return 4 * max(1, int((TALLEST - legend - BELOW) // least))


def legend_height(names: Sequence[str]) -> float:
    """Millimetres that a legend of these names needs above the panels."""
    return 3.8 * -(-len(names) // legend_columns(names)) + 2


def legend_columns(names: Sequence[str]) -> int:
    """How many names fit side by side: the mark before a name takes 10 mm."""
    return max(1, min(len(names), int(FULL // (LETTER * max(map(len, names)) + 10))))


def legend(drawn: Sheet, names: Mapping[str, Look], lines: bool = True) -> None:
    """Names and looks of the arms above the panels."""
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.dash if lines else "none")
        for look in names.values()
    ]
    drawn.legend(handles, list(names), loc="outside upper center", ncols=legend_columns(list(names)), handlelength=2.5)
