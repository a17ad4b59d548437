"""Validation accuracy after each epoch: the mean of each arm with its band, a panel per block.

In: panels. Out: a Figure. Touches: nothing.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.special import stdtrit

from bench.report.document import Figure
from bench.report.figures import style, words
from bench.report.figures.panels import Panel, arms_of, best_arms
from bench.report.figures.svg import Tips, drawing
from bench.schema import DIVERGED, OK, Row

NAME = "curves"
MEASURE = "validation_accuracy"
ARMS = 10  # more lines in a panel are a tangle
LEAST, HEIGHT = 32.0, 38.0  # mm of a panel, where a page is full and where it is not
MARKS = 6  # on a line
Array = NDArray[np.float64]


def curves(panels: Sequence[Panel]) -> Figure | None:
    """Learning curves; None where no converged run has two epochs."""
    arms = best_arms(panels, ARMS)
    drawable = [panel for panel in panels if any(_measured(panel, arm).shape[1] > 1 for arm in arms)]
    if not drawable:
        return None
    shown = drawable[: style.room(LEAST, style.legend_height(arms))]
    looks, tips = style.looks(arms_of(panels)), Tips()
    sheet, axes = style.panels([panel.name for panel in shown], HEIGHT, style.legend_height(arms))
    for panel, axis in zip(shown, axes, strict=True):
        _draw(panel, arms, axis, looks, tips)
    sheet.supxlabel("epoch")
    sheet.supylabel("validation accuracy (%)")
    style.legend(sheet, {arm: looks[arm] for arm in arms})
    return Figure(NAME, _caption(panels, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown, arms))


def _draw(panel: Panel, arms: Sequence[str], axis: Axes, looks: dict[str, style.Look], tips: Tips) -> None:
    for place, arm in enumerate(arms):
        runs = 100 * _measured(panel, arm)
        if runs.shape[1] > 1:
            tell = f"{arm}, {panel.name}: after the last epoch {_end(runs, panel.digits)}, n = {len(runs)}"
            tips.tell(tell, *_line(axis, runs, looks[arm], place))
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.grid(axis="y")


def _line(axis: Axes, runs: Array, look: style.Look, place: int) -> list[Artist]:
    """Draw the mean of `runs` (runs, epochs) and its band."""
    mean, low, high = band(runs)
    epochs = np.arange(1, len(mean) + 1)
    every = math.ceil(len(mean) / MARKS)
    spread = (place % every, every)  # so that the marks of two lines do not hide each other
    drawn: list[Artist] = [
        *axis.plot(epochs, mean, color=look.colour, linestyle=look.dash, marker=look.marker, markevery=spread)
    ]
    if low is not None and high is not None:
        drawn.append(axis.fill_between(epochs, low, high, color=look.colour, alpha=0.13, linewidth=0))
    return drawn


def _end(runs: Array, digits: int) -> str:
    """Where a curve ends, in percent."""
    mean, low, high = band(runs)
    last_low, last_high = (None if end is None else float(end[-1]) for end in (low, high))
    return words.percent(float(mean[-1]), last_low, last_high, digits)


def band(runs: Array) -> tuple[Array, Array | None, Array | None]:
    """Mean of `runs` (runs, epochs), in percent, at each epoch, and its t interval within 0 to 100; None from one run.

    Means and ends are (epochs,).
    """
    mean, n = runs.mean(axis=0), len(runs)
    if n == 1:
        return mean, None, None
    reach = stdtrit(n - 1, (1 + words.LEVEL) / 2) * runs.std(axis=0, ddof=1) / math.sqrt(n)
    return mean, np.maximum(mean - reach, 0), np.minimum(mean + reach, 100)


def _measured(panel: Panel, arm: str) -> Array:
    """The curves of the converged runs, (runs, epochs), as far as all of them go."""
    found = [values for row in panel.runs.get(arm, ()) if row.status == OK and (values := _values(row))]
    epochs = min(map(len, found), default=0)
    return np.array([values[:epochs] for values in found], dtype=float).reshape(len(found), epochs)


def _values(row: Row) -> list[float]:
    return [value for epoch in row.curve if (value := epoch.get(MEASURE)) is not None]


def _caption(panels: Sequence[Panel], drawable: Sequence[Panel], shown: Sequence[Panel], arms: Sequence[str]) -> str:
    lost = sum(row.status == DIVERGED for panel in shown for arm in arms for row in panel.runs.get(arm, ()))
    diverged = f" Diverged runs, {lost} here, are in no mean." if lost else ""
    spread = any(len(_measured(panel, arm)) > 1 for panel in shown for arm in arms)
    return (
        f"Validation accuracy after each epoch, the mean over converged runs{words.spread(spread, 't band')}. "
        "Each panel has a scale of its own."
        + diverged
        + words.left_out(len(shown), len(drawable), "block", "the first ones")
        + words.left_out(len(arms), len(arms_of(panels)), "arm", "those that stand highest on average")
    )


def _alt(shown: Sequence[Panel], arms: Sequence[str]) -> str:
    ends = []
    for panel in shown:
        last = {arm: 100 * runs[:, -1].mean() for arm in arms if (runs := _measured(panel, arm)).shape[1] > 1}
        top, bottom = max(last, key=lambda arm: last[arm]), min(last, key=lambda arm: last[arm])
        ends.append(
            f"{panel.name}: from {bottom} {last[bottom]:.{panel.digits}f} % to {top} {last[top]:.{panel.digits}f} %"
        )
    return (
        f"Learning curves of {words.counted(len(arms), 'arm')} in {words.counted(len(shown), 'block')}. "
        f"Validation accuracy after the last epoch, lowest and highest: {words.listed(ends)}."
    )
