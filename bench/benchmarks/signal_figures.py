"""The figures of task=signal: signal, gradient and correlation along depth, and the phase diagram with the arms on it.

In: the rows of a sweep of task=signal. Out: Figures. Touches: nothing.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from bench import catalogue, registry
from bench.report.analysis.blocks import Block, blocks, names
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles
from bench.report.figures.svg import Tips, drawing
from bench.report.statistics import Estimate, mean
from bench.report.statistics.sample import Array
from bench.report.wording.format import counted, estimate, left_out, some, with_spread
from bench.schema import OK, Row
from bench.signal.maps import LENGTHS, critical_line

ARMS = 10  # more lines in a panel are a tangle
LEAST, HEIGHT = 32.0, 38.0  # mm of a panel, where a page is full and where it is not
ALONG = {  # by measure: the scale, what it is
    "second_moment": ("log", "second moment of the output"),
    "gradient": ("log", "gradient (root mean square)"),
    "correlation": ("linear", "cosine of two examples"),
}
PHASE = "phase_diagram"
WIDEST = 0.5  # standard deviation of the biases, where no arm has a greater one
FLAT = 1e-6  # of the biases of a critical line that is a point: the gain is then critical whatever the bias


@style.styled()
def figures(rows: Sequence[Row]) -> list[Figure]:
    """A figure for each measure along depth, and the phase diagram; those for which the rows have something."""
    found = blocks([row for row in rows if row.status == OK and row.curve])
    if not found:
        return []
    titles = dict(zip(names(found), found, strict=True))
    drawn = [*(_along(titles, measure) for measure in ALONG), _phase(titles)]
    return [one for one in drawn if one]


def _along(titles: dict[str, Block], measure: str) -> Figure | None:
    """A measure at each layer and sum, a panel per block, a line per arm, and theory's line behind it."""
    drawable = {title: one for title, one in titles.items() if any(map(partial(_values, one, measure), one.arms))}
    if not drawable:
        return None
    every = _arms(drawable)
    arms = every[:ARMS]
    shown = [*drawable][: style.room(LEAST, style.legend_height(arms))]
    styles, tips = arm_styles(every), Tips()
    sheet, axes = style.panels([title or "all" for title in shown], HEIGHT, style.legend_height(arms))
    scale, label = ALONG[measure]
    for title, axis in zip(shown, axes, strict=True):
        for arm in arms:
            _draw(axis, drawable[title], arm, measure, styles[arm], tips)
        axis.set_yscale(scale)
        if scale == "log":
            axis.yaxis.set_major_locator(LogLocator(numticks=5))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(StrMethodFormatter("{x:.0e}"))
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.grid(axis="y")
    sheet.supxlabel("layers and sums, in their order")
    sheet.supylabel(label)
    style.legend(sheet, {arm: styles[arm] for arm in arms})
    spread = any(len(rows) > 1 for title in shown for rows in drawable[title].arms.values())
    caption = (
        f"{label.capitalize()} at initialization, after each layer and each sum of two paths: the "
        f"{'geometric ' if scale == 'log' else ''}mean over draws of the weights{with_spread(spread, 't band')}. "
        "Thin dashes in grey: what theory expects of wide nets, where it is known."
        + left_out(len(shown), len(drawable), "block", "the first ones")
        + left_out(len(arms), len(every), "arm", "the first ones")
    )
    return Figure(measure, caption, drawing(sheet, measure, tips), _alt(drawable, shown, arms, measure, label))


def _arms(titles: dict[str, Block]) -> list[str]:
    return sorted({arm for one in titles.values() for arm in one.arms})


def _values(block: Block, measure: str, arm: str) -> list[list[float]]:
    """Of each draw that has them, the values at its places, NaN where unknown."""
    found = [
        [math.nan if (one := entry.get(measure)) is None else one for entry in row.curve] for row in block.arms[arm]
    ]
    return [one for one in found if not all(map(math.isnan, one))]


def _means(block: Block, measure: str, arm: str) -> list[Estimate | None]:
    """At each place the mean over draws, of logarithms to the base of 10 on a logarithmic scale."""
    found = np.array(_values(block, measure, arm), dtype=float)
    if "correlation" not in measure:
        found = np.log10(np.where(found > 0, found, math.nan))
    return [mean(one) if len(one := column[np.isfinite(column)]) else None for column in found.T]


def _draw(axis: Axes, block: Block, arm: str, measure: str, look: ArmStyle, tips: Tips) -> None:
    if arm not in block.arms or not _values(block, measure, arm):
        return
    shown = partial(_scaled, measure)
    found = _means(block, measure, arm)
    places = np.arange(1, len(found) + 1)
    middle, low, high = (shown([getattr(one, end, None) for one in found]) for end in ("value", "low", "high"))
    drawn: list[Artist] = [*axis.plot(places, middle, color=look.colour, marker=look.marker, linestyle=look.dash)]
    if np.isfinite(low).any():
        drawn.append(axis.fill_between(places, low, high, color=look.colour, alpha=0.13, linewidth=0))
    ends = [one for one in middle if math.isfinite(one)]
    tips.add(f"{arm}, {block.label}: from {ends[0]:.2g} to {ends[-1]:.2g}" if ends else arm, *drawn)
    expected = f"expected_{measure}"
    if _values(block, expected, arm):
        by_theory = shown([getattr(one, "value", None) for one in _means(block, expected, arm)])
        axis.plot(places, by_theory, color=style.GREY, linestyle=(0, (2, 1.5)), linewidth=0.7, zorder=3)


def _scaled(measure: str, values: Sequence[float | None]) -> Array:
    found = np.array([math.nan if one is None else one for one in values], dtype=float)
    return found if "correlation" in measure else 10**found


def _alt(titles: dict[str, Block], shown: Sequence[str], arms: Sequence[str], measure: str, label: str) -> str:
    ends = []
    for title in shown:
        last = {
            arm: one.value
            for arm in arms
            if arm in titles[title].arms
            and _values(titles[title], measure, arm)
            and (one := _means(titles[title], measure, arm)[-1])
        }
        if last:
            low, high = min(last, key=lambda arm: last[arm]), max(last, key=lambda arm: last[arm])
            values = [f"{arm} {_scaled(measure, [last[arm]])[0]:.2g}" for arm in (low, high)]
            ends.append(f"{title or 'all'}: from {values[0]} to {values[1]}")
    return f"{label.capitalize()} along depth, {counted(len(arms), 'arm')}. After the last layer: {some(ends, '; ')}."


def _phase(titles: dict[str, Block]) -> Figure | None:
    """Gain and bias of each arm beside the critical line of its activation, a panel per activation."""
    known: dict[str, list[tuple[str, str, Estimate, Estimate]]] = {}
    choices: dict[str, Row] = {}
    for title, block in titles.items():
        for arm, rows in block.arms.items():
            sizes = [
                [one for row in rows if (one := row.measures.get(key)) is not None] for key in ("gain", "bias_std")
            ]
            if all(sizes):
                gain, bias = map(mean, sizes)
                name = str(block.choices["activation"])
                known.setdefault(name, []).append((arm, title, gain, bias))
                choices.setdefault(name, rows[0])
    if not known:
        return None
    every = _arms(titles)
    styles, tips, drawn = arm_styles(every), Tips(), sorted({arm for one in known.values() for arm, *_ in one})
    sheet, axes = style.panels([*known], 48.0, style.legend_height(drawn))
    for name, axis in zip(known, axes, strict=True):
        for arm, title, gain, bias in known[name]:
            mark = axis.plot(bias.value, gain.value, styles[arm].marker, color=styles[arm].colour, clip_on=False)
            said = f"{arm}, {title or 'all'}: gain {estimate(gain, 2)}, biases {estimate(bias, 2)}"
            tips.add(said, *mark)
        widest = max(WIDEST, *(1.2 * bias.value for *_, bias in known[name]))
        highest = max(2.0, *(1.2 * gain.value for *_, gain, _ in known[name]))
        axis.set(xlim=(0, widest), ylim=(0, highest))
        _critical(axis, choices[name].choices, widest)
    sheet.supxlabel("standard deviation of the biases")
    sheet.supylabel("gain of the weights")
    style.legend(sheet, {arm: styles[arm] for arm in drawn}, lines=False)
    caption = (
        "Phase diagram of wide nets without norms and shortcuts (Poole et al. 2016, Schoenholz et al. 2017): the gain "
        "of the weights, their standard deviation times the root of the fan in, against the standard deviation of "
        "the biases. On the line gradients keep their size; above it they grow and below it they vanish. A mark is the "
        "layer in the middle of an arm."
    )
    alt = "; ".join(
        f"{name}: {some([f'{arm} at gain {gain.value:.2f}' for arm, _, gain, _ in known[name]])}" for name in known
    )
    return Figure(PHASE, caption, drawing(sheet, PHASE, tips), f"Gains of arms beside the critical line. {alt}.")


def _critical(axis: Axes, choices: Any, widest: float) -> None:
    """The critical line, and the names of the phases on both sides."""
    name = choices["activation"]
    arguments = {key.partition(".")[2]: one for key, one in choices.items() if key.startswith("activation.")}
    option = catalogue.options("activation")[name]
    activation = registry.find("activation", option["function"])(**{**catalogue.arguments(option), **arguments})
    points = critical_line(activation, LENGTHS)
    if not points:
        return
    biases, gains = ([getattr(one, key) for one in points] for key in ("bias_std", "gain"))
    if max(biases) < FLAT:
        biases, gains = [0.0, widest], [gains[0], gains[0]]
    axis.plot(biases, gains, color="black", linewidth=1)
    for phase, height in (("gradients grow", 0.93), ("gradients vanish", 0.05)):
        axis.text(0.97, height, phase, transform=axis.transAxes, ha="right", color=style.GREY)
