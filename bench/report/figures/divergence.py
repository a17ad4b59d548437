"""The divergence map: how many of the ended runs of each arm diverged in each block, darker for more.

In: panels. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from bench.report.document import Figure
from bench.report.figures import style, words
from bench.report.figures.panels import Panel, arms_of
from bench.report.figures.svg import Tips, drawing

NAME = "divergence"
BLOCKS, ARMS = 36, 14
WIDTH, HEIGHT = 9.0, 4.2  # mm of a field
LABEL = 32  # letters of a block's name on one line
DARK = 0.55  # the rate from which letters are white


def divergence(panels: Sequence[Panel]) -> Figure | None:
    """The map; None where no run diverged."""
    arms = arms_of(panels)
    by_arm = {arm: sum(panel.lines[arm]["diverged"] for panel in panels if arm in panel.lines) for arm in arms}
    if not any(by_arm.values()):
        return None
    columns = sorted(sorted(arms, key=lambda arm: (-by_arm[arm], arm))[:ARMS])
    ranked = sorted(panels, key=lambda panel: -sum(line["diverged"] for line in panel.lines.values()))[:BLOCKS]
    shown = [panel for panel in panels if panel in ranked]
    tips = Tips()
    names = [words.broken(panel.name, LABEL) for panel in shown]
    wide = style.LETTER * max(len(line) for name in names for line in name.split("\n")) + WIDTH * len(columns) + 25
    sheet = style.sheet(min(style.FULL, max(style.COLUMN, wide)), 24 + HEIGHT * len(shown))
    axis = sheet.add_subplot()
    for y, panel in enumerate(shown):
        for x, arm in enumerate(columns):
            if arm in panel.lines:
                _field(axis, x, y, panel.lines[arm], f"{arm}, {panel.name}", tips)
    _scales(axis, columns, names)
    return Figure(NAME, _caption(panels, shown, arms, columns), drawing(sheet, NAME, tips), _alt(shown))


def _field(axis: Axes, x: int, y: int, line: dict[str, Any], where: str, tips: Tips) -> None:
    ended, rate = line["converged"] + line["diverged"], line["divergence_rate"]
    field = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=str(1 - 0.85 * (rate or 0.0)), edgecolor=style.PALE)
    axis.add_patch(field)
    ink = "white" if (rate or 0) > DARK else "black" if rate else style.GREY
    text = axis.text(x, y, f"{line['diverged']}/{ended}", color=ink, ha="center", va="center_baseline")
    if rate is None:
        tips.tell(f"{where}: no run ended", field, text)
    else:
        ends = (100 * line["divergence_rate_low"], 100 * line["divergence_rate_high"])
        tips.tell(f"{where}: {words.interval(100 * rate, *ends, 0)} % diverged, n = {ended}", field, text)


def _scales(axis: Axes, arms: Sequence[str], names: Sequence[str]) -> None:
    axis.set_xlim(-0.5, len(arms) - 0.5)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xticks(
        range(len(arms)), [words.broken(arm, LABEL) for arm in arms], rotation=35, ha="right", rotation_mode="anchor"
    )
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _caption(panels: Sequence[Panel], shown: Sequence[Panel], arms: Sequence[str], columns: Sequence[str]) -> str:
    return (
        "Diverged of ended runs, per block and arm: the darker, the higher the rate. An empty field: no such arm there."
        + words.left_out(len(shown), len(panels), "block", "those with the most diverged runs")
        + words.left_out(len(columns), len(arms), "arm", "those with the most diverged runs")
    )


def _alt(shown: Sequence[Panel]) -> str:
    found = [
        (line["diverged"], f"{arm} in {panel.name} {line['diverged']} of {line['converged'] + line['diverged']}")
        for panel in shown
        for arm, line in panel.lines.items()
        if line["diverged"]
    ]
    told = [text for _, text in sorted(found, key=lambda one: -one[0])]
    return f"Map of divergence, {words.counted(len(shown), 'block')}. Diverged: {words.listed(told)}; elsewhere none."
