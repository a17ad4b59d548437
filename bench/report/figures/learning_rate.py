"""Accuracy against the learning rate, a line per arm, a panel per block but for the rate.

In: findings. Out: a Figure. Touches: nothing.
"""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from bench.report.analysis.finding import Finding
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles, arms_of, best_arms, left_out_of, outcomes
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import accuracy_of, counted, some, with_spread

NAME = "learning_rate"
AXIS = "optimizer.learning_rate"
ARMS = 10
LEAST, HEIGHT = 32.0, 40.0  # mm of a panel, where a page is full and where it is not
LABELS = 5  # on the scale of rates, at most
FLOOR = 0.04  # of a panel's height, where a rate stands at which no run trained
Sweep = list[tuple[float, Finding]]  # the blocks that differ in the rate alone, by rate


def learning_rate(findings: Sequence[Finding]) -> Figure | None:
    """Sensitivity to the learning rate; None where no block is there at two rates."""
    drawable = {name: sweep for name, sweep in _sweeps(findings).items() if len(sweep) > 1}
    if not drawable:
        return None
    arms = best_arms([finding for sweep in drawable.values() for _, finding in sweep], ARMS)
    names = list(drawable)[: style.room(LEAST, style.legend_height(arms))]
    styles, tips = arm_styles(arms_of(findings)), Tips()
    sheet, axes = style.panels(names, HEIGHT, style.legend_height(arms))
    for name, axis in zip(names, axes, strict=True):
        for arm in arms:
            _draw(axis, arm, drawable[name], styles[arm], tips)
        scales(axis, [rate for rate, _ in drawable[name]])
    sheet.supxlabel("learning rate")
    sheet.supylabel("test accuracy (%)")
    style.legend(sheet, {arm: styles[arm] for arm in arms})
    spread = any(one.accuracy and one.accuracy.low is not None for finding in findings for one in finding.arms)
    caption = _caption(spread) + left_out_of(names, drawable, arms, findings)
    return Figure(NAME, caption, drawing(sheet, NAME, tips), _alt(names, drawable, arms))


def _sweeps(findings: Sequence[Finding]) -> dict[str, Sweep]:
    found: dict[str, tuple[str, Sweep]] = {}
    for finding in findings:
        rate = finding.choices.get(AXIS)
        if isinstance(rate, (int, float)) and rate > 0:
            rest = repr({key: value for key, value in finding.choices.items() if key != AXIS})
            found.setdefault(rest, (name_without(AXIS, finding), []))[1].append((rate, finding))
    return {name: sorted(sweep, key=lambda one: one[0]) for name, sweep in found.values()}


def name_without(key: str, finding: Finding) -> str:
    """The block's name without a choice that varies along a panel."""
    own = f"{key.rpartition('.')[2]}="
    return "/".join(choice for choice in finding.title.split("/") if not choice.startswith(own)) or "all"


def _draw(axis: Axes, name: str, sweep: Sweep, drawn_as: ArmStyle, tips: Tips) -> None:
    arms = [(rate, finding, one) for rate, finding in sweep if (one := finding.arm(name))]
    means = [(rate, 100 * one.mean) for rate, _, one in arms if one.mean is not None]
    if means:
        axis.plot(*zip(*means, strict=True), color=drawn_as.colour, linestyle=drawn_as.dash)
    for rate, finding, one in arms:
        reached = one.accuracy
        if reached is None:
            lost = axis.plot(rate, FLOOR, "x", color=drawn_as.colour, transform=axis.get_xaxis_transform())
            tips.add(f"{name}, {finding.title}: {outcomes(one)}", *lost)
            continue
        inside = drawn_as.inside(one)
        drawn = axis.plot(rate, 100 * reached.value, drawn_as.marker, color=drawn_as.colour, markerfacecolor=inside)
        if reached.low is not None and reached.high is not None:
            drawn += axis.plot([rate, rate], [100 * reached.low, 100 * reached.high], color=drawn_as.colour)
        tips.add(f"{name}, {finding.title}: {outcomes(one)}; {accuracy_of(reached, finding.digits)}", *drawn)


def scales(axis: Axes, rates: Sequence[float]) -> None:
    """A logarithmic scale of the rates, labelled where there is room."""
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


def _caption(spread: bool) -> str:
    return (
        f"Mean test accuracy of the trained runs against the learning rate{with_spread(spread, 'interval')}. "
        "A hollow mark: some runs of the arm did not train; a cross at the foot: none did. Each panel has a scale "
        "of its own."
    )


def _alt(names: Sequence[str], sweeps: dict[str, Sweep], arms: Sequence[str]) -> str:
    tops = []
    for name in names:
        means = [
            (one.mean, one.name, rate)
            for rate, finding in sweeps[name]
            for one in finding.arms
            if one.name in arms and one.mean is not None
        ]
        if means:
            mean, arm, rate = max(means, key=lambda top: top[0])
            tops.append(f"{name}: {arm} at {rate:g}, {100 * mean:.1f} %")
    return (
        f"Test accuracy against the learning rate, {counted(len(arms), 'arm')} in "
        f"{counted(len(names), 'block')}. The highest mean of each: {some(tops, '; ')}."
    )
