"""The critical-difference diagram: mean ranks over blocks, a bar under arms whose ranks do not differ (Demšar 2006).

In: the ranks of a summary. Out: a Figure. Touches: nothing.
"""

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from bench.report.analysis.overall import Ranks
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import counted, some

NAME = "ranks"
LABEL = 46.0  # mm on each side, for names
TOP, BAR, STEP = 13.0, 1.7, 3.6  # mm: from the top to the scale, from bar to bar, from name to name


def ranks(found: Ranks | None) -> Figure | None:
    """The diagram; None where there are no ranks."""
    if found is None:
        return None
    arms = list(found.mean_ranks.items())
    half = -(-len(arms) // 2)
    foot = TOP + 3 + BAR * len(found.groups)
    sheet = style.sheet(foot + STEP * half + 1)
    sheet.set_layout_engine("none")
    axis = sheet.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, style.FULL), ylim=(foot + STEP * half + 1, 0))
    axis.set_axis_off()
    tips = Tips()
    _scale(axis, len(arms), found.critical_difference)
    x = {name: _x(rank, len(arms)) for name, rank in arms}
    for number, group in enumerate(found.groups):
        ends = [x[name] for name in group]
        bar = axis.plot([min(ends) - 0.7, max(ends) + 0.7], [TOP + 3 + BAR * number] * 2, "k", linewidth=2.2)
        tips.add(f"not shown to differ: {', '.join(group)}", *bar)
    for number, (name, rank) in enumerate(arms):
        left = number < half
        line = number if left else len(arms) - 1 - number
        drawn = _arm(axis, name, rank, x[name], foot + STEP * (line + 0.5), left)
        tips.add(f"{name}: mean rank {rank:.2f}, n = {counted(found.blocks, 'block')}", *drawn)
    return Figure(NAME, _caption(found), drawing(sheet, NAME, tips), _alt(found))


def _x(rank: float, arms: int) -> float:
    """Where a rank stands, in mm: the axes of this figure have the millimetre as their unit, y downwards."""
    return LABEL + (style.FULL - 2 * LABEL) * (rank - 1) / (arms - 1)


def _scale(axis: Axes, arms: int, critical_difference: float) -> None:
    axis.plot([_x(1, arms), _x(arms, arms)], [TOP, TOP], "k", linewidth=0.7)
    for rank in range(1, arms + 1, max(1, arms // 12)):
        axis.plot([_x(rank, arms)] * 2, [TOP - 1, TOP], "k", linewidth=0.7)
        axis.text(_x(rank, arms), TOP - 1.5, str(rank), ha="center", va="bottom")
    start, end = _x(1, arms), min(_x(1 + critical_difference, arms), style.FULL - 1)
    axis.plot([start, start, start, end, end, end], [4, 6, 5, 5, 4, 6], "k", linewidth=0.7)
    axis.text((start + end) / 2, 4, f"critical difference {critical_difference:.2f}", ha="center", va="bottom")


def _arm(axis: Axes, arm: str, rank: float, x: float, y: float, left: bool) -> list[Artist]:
    """Draw the name at the edge, and a line from it to its rank."""
    edge = LABEL - 3 if left else style.FULL - LABEL + 3
    line = axis.plot([x, x, edge], [TOP, y, y], color=style.GREY, linewidth=0.7)
    name = style.broken(arm, int((LABEL - 13) / style.LETTER)).replace("\n", "")
    label = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
    text = axis.text(edge + (-1 if left else 1), y, label, ha="right" if left else "left", va="center_baseline")
    return [*line, text]


def _caption(found: Ranks) -> str:
    return (
        f"Mean ranks of the arms over {counted(found.blocks, 'block')}, the best on the left. A bar joins "
        "arms whose mean ranks are closer than the critical difference of Nemenyi's test at "
        f"{100 * (1 - found.alpha):g} %: the ranks do not tell them apart. Friedman's test: p = {found.p:.2g}."
    )


def _alt(found: Ranks) -> str:
    arms = [f"{name} {rank:.2f}" for name, rank in found.mean_ranks.items()]
    return (
        f"Critical-difference diagram over {counted(found.blocks, 'block')}. Mean ranks, the best first: "
        f"{some(arms, '; ')}. Critical difference {found.critical_difference:.2f}."
    )
