"""The rates at which an arm trained against its largest stable rate at initialization, a panel per block.

In: a Prediction. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.report.analysis.stable import Prediction, StableRate
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles
from bench.report.figures.learning_rate import name_without
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import counted, left_out, some

NAME = "stable"
LEAST, HEIGHT = 32.0, 42.0  # mm of a panel, where a page is full and where it is not


def stable(found: Prediction, every: Sequence[str]) -> Figure | None:
    """The figure; None where no block has arms whose tuned rates differ. `every`: all arms of the study."""
    if not found.blocks:
        return None
    arms = sorted({one.arm.name for mine in found.blocks for one in mine})
    styles, tips = arm_styles(every), Tips()
    blocks = {_name(mine[0]): mine for mine in found.blocks}
    shown = [*blocks][: style.room(LEAST, style.legend_height(arms))]
    sheet, axes = style.panels(shown, HEIGHT, style.legend_height(arms))
    for name, axis in zip(shown, axes, strict=True):
        _draw(axis, name, blocks[name], styles, tips)
    sheet.supxlabel("largest stable learning rate at initialization")
    sheet.supylabel("rates that train")
    style.legend(sheet, {arm: styles[arm] for arm in arms}, lines=False)
    caption = (
        "The learning rates at which all tuning runs of an arm trained, upright, and the one that tuning chose, "
        "marked, against the largest stable rate that the probe finds before training, level, with its 95 % interval "
        "over draws of the weights. On the dotted line both are equal. Blocks whose arms all take the same rate are "
        "left out." + left_out(len(shown), len(blocks), "block", "the first ones")
    )
    alt = f"Scatter in {counted(len(shown), 'block')}: {some([_said(blocks[name], name) for name in shown], '; ')}."
    return Figure(NAME, caption, drawing(sheet, NAME, tips), alt)


def _draw(axis: Axes, block: str, arms: Sequence[StableRate], styles: dict[str, ArmStyle], tips: Tips) -> None:
    for one in arms:
        colour, rate, chosen = styles[one.arm.name].colour, one.stable, one.chosen
        drawn = axis.plot(rate.value, chosen, styles[one.arm.name].marker, color=colour, markerfacecolor="none")
        if rate.low is not None and rate.high is not None:
            drawn += axis.plot([rate.low, rate.high], [chosen, chosen], color=colour)
        if one.trained:
            drawn += axis.plot([rate.value] * 2, [one.trained[0], one.trained[-1]], color=colour)
        tips.add(f"{one.arm.name}, {block}: stable up to {rate.value:.2g}, takes {chosen:g}", *drawn)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(LogLocator(numticks=5))
        scale.set_minor_locator(NullLocator())
        scale.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.axline((1, 1), (10, 10), color="0.7", linestyle=":", zorder=0)
    axis.grid()


def _name(one: StableRate) -> str:
    return name_without("optimizer.learning_rate", one.arm.finding)


def _said(arms: Sequence[StableRate], block: str) -> str:
    first, *_, last = sorted(arms, key=lambda one: one.stable.value)
    return (
        f"{block} from {first.arm.name} (stable up to {first.stable.value:.2g}, takes {first.chosen:g}) to "
        f"{last.arm.name} (stable up to {last.stable.value:.2g}, takes {last.chosen:g})"
    )
