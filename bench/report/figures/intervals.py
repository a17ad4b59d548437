"""The forest plot: the mean test accuracy of each arm with its interval, a panel per block.

In: panels. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.report.document import Figure
from bench.report.figures import style, words
from bench.report.figures.panels import Panel, arms_of, best_arms
from bench.report.figures.svg import Tips, drawing

NAME = "intervals"
ARMS = 24
LABEL = 28  # letters of an arm's name on one line


def intervals(panels: Sequence[Panel]) -> Figure | None:
    """Means with intervals; None where no arm has a mean."""
    drawable = [panel for panel in panels if any(line["test_accuracy_mean"] is not None for line in _lines(panel))]
    if not drawable:
        return None
    arms = best_arms(drawable, ARMS)
    shown = drawable[: style.room(9 + 2.55 * len(arms))]
    looks, tips = style.looks(arms_of(panels)), Tips()
    sheet, axes = style.panels([panel.name for panel in shown], 10 + 3.1 * len(arms))
    for place, (panel, axis) in enumerate(zip(shown, axes, strict=True)):
        _draw(panel, arms, axis, looks, tips)
        if place % style.per_line(len(shown)) == 0:
            axis.set_yticks(range(len(arms)), [words.broken(arm, LABEL) for arm in arms])
    sheet.supxlabel("test accuracy (%)")
    return Figure(NAME, _caption(panels, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown))


def _draw(panel: Panel, arms: Sequence[str], axis: Axes, looks: dict[str, style.Look], tips: Tips) -> None:
    for y, arm in enumerate(arms):
        line = panel.lines.get(arm)
        if line is None or line["test_accuracy_mean"] is None:
            continue
        look = looks[arm]
        inside = "white" if line["diverged"] else look.colour
        drawn = axis.plot(
            100 * line["test_accuracy_mean"], y, look.marker, color=look.colour, markerfacecolor=inside, zorder=3
        )
        if line["test_accuracy_low"] is not None:
            ends = [100 * line["test_accuracy_low"], 100 * line["test_accuracy_high"]]
            drawn += axis.plot(ends, [y, y], color=look.colour)
        lost = f", {line['diverged']} diverged" if line["diverged"] else ""
        tips.tell(f"{arm}, {panel.name}: {words.accuracy(line, panel.digits)}{lost}", *drawn)
    axis.set_ylim(len(arms) - 0.4, -0.6)
    axis.set_yticks(range(len(arms)), [])
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.grid(axis="both")


def _lines(panel: Panel) -> list[dict[str, object]]:
    return list(panel.lines.values())


def _caption(panels: Sequence[Panel], drawable: Sequence[Panel], shown: Sequence[Panel], arms: Sequence[str]) -> str:
    lost = any(line["diverged"] and line["test_accuracy_mean"] is not None for panel in shown for line in _lines(panel))
    spread = any(line["test_accuracy_low"] is not None for panel in shown for line in _lines(panel))
    return (
        f"Mean test accuracy over converged runs{words.spread(spread, 'interval')}. Each panel has a scale of its own."
        + (" A hollow mark: some runs of the arm diverged, and are in no mean." if lost else "")
        + words.left_out(len(shown), len(drawable), "block", "the first ones")
        + words.left_out(len(arms), len(arms_of(panels)), "arm", "those that stand highest on average")
    )


def _alt(shown: Sequence[Panel]) -> str:
    tops = []
    for panel in shown:
        arm, line = next((arm, line) for arm, line in panel.lines.items() if line["test_accuracy_mean"] is not None)
        tops.append(f"{panel.name}: {arm} {words.accuracy(line, panel.digits)}")
    return (
        f"Forest plot of mean test accuracies in {words.counted(len(shown), 'block')}. The highest mean of each: "
        f"{words.listed(tops)}."
    )
