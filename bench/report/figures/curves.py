"""Validation accuracy after each epoch: the mean of each arm with its band, a panel per block.

In: findings. Out: a Figure. Touches: nothing.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.special import stdtrit

from bench.report.analysis.arms import STALLED, TRAINED, outcome
from bench.report.analysis.finding import Finding
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles, arms_of, best_arms, left_out_of
from bench.report.figures.svg import Tips, drawing
from bench.report.statistics.sample import LEVEL, Array, Estimate
from bench.report.wording.format import accuracy_of, counted, listed, some, with_spread
from bench.schema import DIVERGED, Row

NAME = "curves"
MEASURE = "validation_accuracy"
ARMS = 10  # more lines in a panel are a tangle
LEAST, HEIGHT = 32.0, 38.0  # mm of a panel, where a page is full and where it is not
MARKS = 6  # on a line


def curves(findings: Sequence[Finding]) -> Figure | None:
    """Learning curves; None where no trained run has two epochs."""
    arms = best_arms(findings, ARMS)
    drawable = [finding for finding in findings if any(_measured(finding, arm).shape[1] > 1 for arm in arms)]
    if not drawable:
        return None
    shown = drawable[: style.room(LEAST, style.legend_height(arms))]
    styles, tips = arm_styles(arms_of(findings)), Tips()
    sheet, axes = style.panels([finding.title for finding in shown], HEIGHT, style.legend_height(arms))
    for finding, axis in zip(shown, axes, strict=True):
        _draw(finding, arms, axis, styles, tips)
    sheet.supxlabel("epoch")
    sheet.supylabel("validation accuracy (%)")
    style.legend(sheet, {arm: styles[arm] for arm in arms})
    return Figure(NAME, _caption(findings, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown, arms))


def _draw(finding: Finding, arms: Sequence[str], axis: Axes, styles: dict[str, ArmStyle], tips: Tips) -> None:
    for place, arm in enumerate(arms):
        runs = 100 * _measured(finding, arm)
        if runs.shape[1] > 1:
            tip = f"{arm}, {finding.title}: after the last epoch {accuracy_of(_end(runs), finding.digits)}"
            tips.add(tip, *_line(axis, runs, styles[arm], place))
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.grid(axis="y")


def _line(axis: Axes, runs: Array, arm: ArmStyle, place: int) -> list[Artist]:
    """Draw the mean of `runs` (runs, epochs) and its band."""
    mean, low, high = band(runs)
    epochs = np.arange(1, len(mean) + 1)
    every = math.ceil(len(mean) / MARKS)
    spread = (place % every, every)  # so that the marks of two lines do not hide each other
    drawn: list[Artist] = [
        *axis.plot(epochs, mean, color=arm.colour, linestyle=arm.dash, marker=arm.marker, markevery=spread)
    ]
    if low is not None and high is not None:
        drawn.append(axis.fill_between(epochs, low, high, color=arm.colour, alpha=0.13, linewidth=0))
    return drawn


def _end(runs: Array) -> Estimate:
    """Where a curve ends, as a fraction."""
    mean, low, high = (None if values is None else float(values[-1]) / 100 for values in band(runs))
    return Estimate(mean or 0.0, low, high, len(runs))


def band(runs: Array) -> tuple[Array, Array | None, Array | None]:
    """Mean of `runs` (runs, epochs), in percent, at each epoch, and its t interval within 0 to 100; None from one run.

    Means and ends are (epochs,).
    """
    mean, n = runs.mean(axis=0), len(runs)
    if n == 1:
        return mean, None, None
    reach = stdtrit(n - 1, (1 + LEVEL) / 2) * runs.std(axis=0, ddof=1) / math.sqrt(n)
    return mean, np.maximum(mean - reach, 0), np.minimum(mean + reach, 100)


def _measured(finding: Finding, arm: str) -> Array:
    """The curves of the trained runs, (runs, epochs), as far as all of them go."""
    trained = [row for row in finding.rows(arm) if outcome(row, finding.rules) == TRAINED]
    found = [values for row in trained if (values := _values(row))]
    epochs = min(map(len, found), default=0)
    return np.array([values[:epochs] for values in found], dtype=float).reshape(len(found), epochs)


def _values(row: Row) -> list[float]:
    return [value for epoch in row.curve if (value := epoch.get(MEASURE)) is not None]


def _caption(
    findings: Sequence[Finding], drawable: Sequence[Finding], shown: Sequence[Finding], arms: Sequence[str]
) -> str:
    runs = [one for finding in shown for one in finding.arms if one.name in arms]
    counts = {STALLED: sum(one.stalled for one in runs), DIVERGED: sum(one.diverged for one in runs)}
    ended = listed([f"{count:,} {word}" for word, count in counts.items() if count])
    lost = f" In no mean: {ended} of these runs." if ended else ""
    spread = any(len(_measured(finding, arm)) > 1 for finding in shown for arm in arms)
    return (
        f"Validation accuracy after each epoch, the mean over trained runs{with_spread(spread, 't band')}. "
        "Each panel has a scale of its own." + lost + left_out_of(shown, drawable, arms, findings)
    )


def _alt(shown: Sequence[Finding], arms: Sequence[str]) -> str:
    ends = []
    for finding in shown:
        last = {arm: 100 * runs[:, -1].mean() for arm in arms if (runs := _measured(finding, arm)).shape[1] > 1}
        top, bottom = max(last, key=lambda arm: last[arm]), min(last, key=lambda arm: last[arm])
        low, high = (f"{arm} {last[arm]:.{finding.digits}f} %" for arm in (bottom, top))
        ends.append(f"{finding.title}: from {low} to {high}")
    return (
        f"Learning curves of {counted(len(arms), 'arm')} in {counted(len(shown), 'block')}. "
        f"Validation accuracy after the last epoch, lowest and highest: {some(ends, '; ')}."
    )
