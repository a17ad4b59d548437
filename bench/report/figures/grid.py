"""Validation accuracy against the value that a study tunes, a line per arm, a panel per block.

In: a Tuning. Out: a Figure. Touches: nothing.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from bench.report.analysis.tuning import TunedArm, Tuning
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles, arms_of, best_arms, left_out_of
from bench.report.figures.learning_rate import ARMS, HEIGHT, LEAST, name_without, scales
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import counted, some

NAME = "grid"
CHOSEN = 7.0  # points of the mark of a chosen value


def grid(found: Tuning | None) -> Figure | None:
    """The grid of a study that tunes; None where no value is chosen yet."""
    if found is None or not any(one.scores for one in found.arms):
        return None
    blocks: dict[str, list[TunedArm]] = {}
    for one in found.arms:
        if one.scores:
            blocks.setdefault(name_without(found.tune.key, one.finding), []).append(one)
    findings = [mine[0].finding for mine in blocks.values()]
    arms, styles, tips = best_arms(findings, ARMS), arm_styles(arms_of(findings)), Tips()
    names = list(blocks)[: style.room(LEAST, style.legend_height(arms))]
    sheet, axes = style.panels(names, HEIGHT, style.legend_height(arms))
    for name, axis in zip(names, axes, strict=True):
        for one in blocks[name]:
            if one.name in arms:
                _draw(axis, name, one, styles[one.name], tips)
        axis.axvline(blocks[name][0].shared_value, color="0.7", linestyle=":", zorder=0)
        scales(axis, sorted({value for one in blocks[name] for value in one.scores}))
    sheet.supxlabel(found.tune.key.rpartition(".")[2].replace("_", " "))
    sheet.supylabel("validation accuracy (%)")
    style.legend(sheet, {arm: styles[arm] for arm in arms})
    caption = _caption(found) + left_out_of(names, blocks, arms, findings)
    return Figure(NAME, caption, drawing(sheet, NAME, tips), _alt(blocks, names, arms))


def _draw(axis: Axes, block: str, one: TunedArm, drawn_as: ArmStyle, tips: Tips) -> None:
    values = sorted(one.scores)
    axis.plot(values, [100 * one.scores[value] for value in values], color=drawn_as.colour, linestyle=drawn_as.dash)
    for value in values:
        size = CHOSEN if value == one.value else None
        mark = axis.plot(value, 100 * one.scores[value], drawn_as.marker, color=drawn_as.colour, markersize=size)
        chosen = ", chosen" if value == one.value else ""
        tips.add(f"{one.name}, {block}: {value:g}{chosen}; {100 * one.scores[value]:.1f} %", *mark)


def _caption(found: Tuning) -> str:
    return (
        f"Mean validation accuracy of the tuning runs over {counted(len(found.tune.seeds), 'seed')} against "
        f"{found.tune.key}, a diverged run counted as chance. Large marks: the value that an arm takes; dotted: the "
        "value that all share without tuning."
    )


def _alt(blocks: Mapping[str, Sequence[TunedArm]], names: Sequence[str], arms: Sequence[str]) -> str:
    chosen = [
        f"{name}: {one.name} at {one.value:g}"
        for name in names
        for one in blocks[name]
        if one.value is not None and one.name in arms
    ]
    return (
        f"Validation accuracy against the tuned value, {counted(len(arms), 'arm')} in {counted(len(names), 'block')}. "
        f"The values chosen: {some(chosen, '; ')}."
    )
