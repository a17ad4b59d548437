"""Whether the first epoch tells the end: accuracy after the first epoch against the final one, a mark per run.

In: panels. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.stats import rankdata

from bench.report.document import Figure
from bench.report.figures import style, words
from bench.report.figures.panels import Panel, arms_of, best_arms
from bench.report.figures.svg import Tips, drawing
from bench.schema import OK

NAME = "first_against_final"
ARMS = 10  # more kinds of marks in a panel are noise
LEAST, HEIGHT = 33.0, 40.0  # mm of a panel, where a page is full and where it is not
RUNS = 200  # marks in a panel; beyond it a mark is the mean of an arm
Array = NDArray[np.float64]


def first_against_final(panels: Sequence[Panel]) -> Figure | None:
    """First against final accuracy; None where no two converged runs of a block have both."""
    drawable = [panel for panel in panels if len(_points(panel)) > 1]
    if not drawable:
        return None
    arms = best_arms(drawable, ARMS)
    shown = drawable[: style.room(LEAST, style.legend_height(arms))]
    looks, tips = style.looks(arms_of(panels)), Tips()
    sheet, axes = style.panels([_title(panel) for panel in shown], HEIGHT, style.legend_height(arms))
    for panel, axis in zip(shown, axes, strict=True):
        _draw(panel, arms, axis, looks, tips)
    sheet.supxlabel("validation accuracy after the first epoch (%)")
    sheet.supylabel("final test accuracy (%)")
    style.legend(sheet, {arm: looks[arm] for arm in arms}, lines=False)
    return Figure(NAME, _caption(panels, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown))


def _draw(panel: Panel, arms: Sequence[str], axis: Axes, looks: dict[str, style.Look], tips: Tips) -> None:
    crowded = len(_points(panel)) > RUNS
    for arm in arms:
        points, look = _of_arm(panel, arm), looks[arm]
        if not len(points):
            continue
        (first, final), n = points.mean(axis=0), len(points)
        marks = points.mean(axis=0, keepdims=True) if crowded else points
        drawn = axis.plot(*marks.T, look.marker, color=look.colour, markerfacecolor="none", alpha=0.8)
        told = f"first {first:.{panel.digits}f} %, final {final:.{panel.digits}f} %"
        tips.tell(f"{arm}, {panel.name}: means over n = {n}, {told}", *drawn)
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.grid()


def _title(panel: Panel) -> str:
    rho = rank_correlation(_points(panel))
    return panel.name if rho is None else f"{panel.name}\nrank correlation {rho:.2f}"


def rank_correlation(points: Array) -> float | None:
    """Spearman's coefficient of the two columns of `points` (n, 2); None where one of them does not vary."""
    ranks = [rankdata(column) for column in points.T]
    if any(column.std() == 0 for column in ranks):
        return None
    return float(np.corrcoef(ranks)[0, 1])


def _points(panel: Panel) -> Array:
    return np.concatenate([np.empty((0, 2)), *(_of_arm(panel, arm) for arm in panel.runs)])


def _of_arm(panel: Panel, arm: str) -> Array:
    """First and final accuracy in percent of the converged runs that have both, (n, 2)."""
    measures = [row.measures for row in panel.runs.get(arm, ()) if row.status == OK]
    pairs = [(one.get("first_epoch_accuracy"), one.get("test_accuracy")) for one in measures]
    return 100 * np.array([pair for pair in pairs if None not in pair], dtype=float).reshape(-1, 2)


def _caption(panels: Sequence[Panel], drawable: Sequence[Panel], shown: Sequence[Panel], arms: Sequence[str]) -> str:
    crowded = any(len(_points(panel)) > RUNS for panel in shown)
    return (
        "Final test accuracy against validation accuracy after the first epoch, "
        + ("a mark per arm where a panel has too many runs, else a mark per run" if crowded else "a mark per run")
        + "; diverged runs have no final accuracy. The rank correlation is Spearman's, over the runs of all arms of a "
        "block. Each panel has scales of its own."
        + words.left_out(len(shown), len(drawable), "block", "the first ones")
        + words.left_out(len(arms), len(arms_of(panels)), "arm", "those that stand highest on average")
    )


def _alt(shown: Sequence[Panel]) -> str:
    told = [
        f"{panel.name} {'constant' if (rho := rank_correlation(_points(panel))) is None else f'{rho:.2f}'}"
        for panel in shown
    ]
    return (
        f"Scatter of first-epoch against final accuracy in {words.counted(len(shown), 'block')}. "
        f"Rank correlations: {words.listed(told)}."
    )
