"""Accuracy against the learning rate, a line per arm, a panel per block but for the rate.

In: panels. Out: a Figure. Touches: nothing.
"""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from bench.report.document import Figure
from bench.report.figures import style, words
from bench.report.figures.panels import Panel, arms_of, best_arms
from bench.report.figures.svg import Tips, drawing

NAME = "learning_rate"
AXIS = "optimizer.learning_rate"
ARMS = 10
LEAST, HEIGHT = 32.0, 40.0  # mm of a panel, where a page is full and where it is not
LABELS = 6  # on the scale of rates
FLOOR = 0.04  # of a panel's height, where a rate stands at which no run converged
Sweep = list[tuple[float, Panel]]  # the blocks that differ in the rate alone, by rate


def learning_rate(panels: Sequence[Panel]) -> Figure | None:
    """Sensitivity to the learning rate; None where no block is there at two rates."""
    drawable = {name: sweep for name, sweep in _sweeps(panels).items() if len(sweep) > 1}
    if not drawable:
        return None
    arms = best_arms([panel for sweep in drawable.values() for _, panel in sweep], ARMS)
    names = list(drawable)[: style.room(LEAST, style.legend_height(arms))]
    looks, tips = style.looks(arms_of(panels)), Tips()
    sheet, axes = style.panels(names, HEIGHT, style.legend_height(arms))
    for name, axis in zip(names, axes, strict=True):
        for arm in arms:
            _draw(axis, arm, drawable[name], looks[arm], tips)
        _scales(axis, [rate for rate, _ in drawable[name]])
    sheet.supxlabel("learning rate")
    sheet.supylabel("test accuracy (%)")
    style.legend(sheet, {arm: looks[arm] for arm in arms})
    spread = any(line["test_accuracy_low"] is not None for panel in panels for line in panel.lines.values())
    caption = _caption(spread, (len(names), len(drawable)), (len(arms), len(arms_of(panels))))
    return Figure(NAME, caption, drawing(sheet, NAME, tips), _alt(names, drawable, arms))


def _sweeps(panels: Sequence[Panel]) -> dict[str, Sweep]:
    found: dict[str, tuple[str, Sweep]] = {}
    for panel in panels:
        rate = panel.choices.get(AXIS)
        if isinstance(rate, (int, float)) and rate > 0:
            rest = repr({key: value for key, value in panel.choices.items() if key != AXIS})
            found.setdefault(rest, (_name(panel), []))[1].append((rate, panel))
    return {name: sorted(sweep, key=lambda one: one[0]) for name, sweep in found.values()}


def _name(panel: Panel) -> str:
    """The block's name without the rate."""
    own = f"{AXIS.rpartition('.')[2]}="
    return "/".join(part for part in panel.name.split("/") if not part.startswith(own)) or "all"


def _draw(axis: Axes, arm: str, sweep: Sweep, look: style.Look, tips: Tips) -> None:
    lines = [(rate, panel, panel.lines[arm]) for rate, panel in sweep if arm in panel.lines]
    means = [(rate, 100 * mean) for rate, _, line in lines if (mean := line["test_accuracy_mean"]) is not None]
    if means:
        axis.plot(*zip(*means, strict=True), color=look.colour, linestyle=look.dash)
    for rate, panel, line in lines:
        if line["test_accuracy_mean"] is None:
            lost = axis.plot(rate, FLOOR, "x", color=look.colour, transform=axis.get_xaxis_transform())
            tips.tell(f"{arm}, {panel.name}: no mean, {line['diverged']} of {line['runs']} diverged", *lost)
            continue
        inside = "white" if line["diverged"] else look.colour
        drawn = axis.plot(
            rate, 100 * line["test_accuracy_mean"], look.marker, color=look.colour, markerfacecolor=inside
        )
        if line["test_accuracy_low"] is not None:
            ends = [100 * line["test_accuracy_low"], 100 * line["test_accuracy_high"]]
            drawn += axis.plot([rate, rate], ends, color=look.colour)
        tips.tell(f"{arm}, {panel.name}: {words.accuracy(line, panel.digits)}", *drawn)


def _scales(axis: Axes, rates: Sequence[float]) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(_apart(rates)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.grid(axis="y")


def _apart(rates: Sequence[float]) -> list[float]:
    """Those of the rates, rising, that have room for a label beside the one before."""
    room = math.log(rates[-1] / rates[0]) / LABELS
    kept = [rates[0]]
    for rate in rates[1:]:
        if math.log(rate / kept[-1]) >= room:
            kept.append(rate)
    return kept


def _caption(spread: bool, blocks: tuple[int, int], arms: tuple[int, int]) -> str:
    return (
        f"Mean test accuracy over converged runs against the learning rate{words.spread(spread, 'interval')}. "
        "A hollow mark: some runs of the arm diverged; a cross at the foot: no run converged. Each panel has a scale "
        "of its own."
        + words.left_out(*blocks, "block", "the first ones")
        + words.left_out(*arms, "arm", "those that stand highest on average")
    )


def _alt(names: Sequence[str], sweeps: dict[str, Sweep], arms: Sequence[str]) -> str:
    told = []
    for name in names:
        means = {
            (arm, rate): line["test_accuracy_mean"]
            for rate, panel in sweeps[name]
            for arm, line in panel.lines.items()
            if arm in arms and line["test_accuracy_mean"] is not None
        }
        if means:
            arm, rate = max(means, key=lambda place: means[place])
            told.append(f"{name}: {arm} at {rate:g}, {100 * means[arm, rate]:.1f} %")
    return (
        f"Test accuracy against the learning rate, {words.counted(len(arms), 'arm')} in "
        f"{words.counted(len(names), 'block')}. The highest mean of each: {words.listed(told)}."
    )
