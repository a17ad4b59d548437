"""Whether the first epoch predicts the end: accuracy after the first epoch against the final one, a mark per run.

In: findings. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from bench.report.analysis.finding import Finding
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles, arms_of, best_arms, left_out_of
from bench.report.figures.svg import Tips, drawing
from bench.report.statistics import Array
from bench.report.wording.format import counted, some
from bench.schema import OK

NAME = "first_against_final"
ARMS = 10  # more kinds of marks in a panel are noise
LEAST, HEIGHT = 33.0, 40.0  # mm of a panel, where a page is full and where it is not
RUNS = 200  # marks in a panel; beyond it a mark is the mean of an arm


def first_against_final(findings: Sequence[Finding]) -> Figure | None:
    """First against final accuracy; None where no two runs of a block have both."""
    drawable = [finding for finding in findings if len(_points(finding)) > 1]
    if not drawable:
        return None
    arms = best_arms(drawable, ARMS)
    shown = drawable[: style.room(LEAST, style.legend_height(arms))]
    styles, tips = arm_styles(arms_of(findings)), Tips()
    sheet, axes = style.panels([_title(finding) for finding in shown], HEIGHT, style.legend_height(arms))
    for finding, axis in zip(shown, axes, strict=True):
        _draw(finding, arms, axis, styles, tips)
    sheet.supxlabel("validation accuracy after the first epoch (%)")
    sheet.supylabel("final test accuracy (%)")
    style.legend(sheet, {arm: styles[arm] for arm in arms}, lines=False)
    return Figure(NAME, _caption(findings, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown))


def _draw(finding: Finding, arms: Sequence[str], axis: Axes, styles: dict[str, ArmStyle], tips: Tips) -> None:
    crowded = len(_points(finding)) > RUNS
    for arm in arms:
        points, drawn_as = _of_arm(finding, arm), styles[arm]
        if not len(points):
            continue
        (first, final), n = points.mean(axis=0), len(points)
        marks = points.mean(axis=0, keepdims=True) if crowded else points
        drawn = axis.plot(*marks.T, drawn_as.marker, color=drawn_as.colour, markerfacecolor="none", alpha=0.8)
        means = f"first {first:.{finding.digits}f} %, final {final:.{finding.digits}f} %"
        tips.add(f"{arm}, {finding.title}: means over n = {n}, {means}", *drawn)
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.grid()


def _title(finding: Finding) -> str:
    rho = rank_correlation(_points(finding))
    return finding.title if rho is None else f"{finding.title}\nrank correlation {rho:.2f}"


def rank_correlation(points: Array) -> float | None:
    """Spearman's coefficient of the two columns of `points` (n, 2); None where one of them does not vary."""
    ranks = [rankdata(column) for column in points.T]
    if any(column.std() == 0 for column in ranks):
        return None
    return float(np.corrcoef(ranks)[0, 1])


def _points(finding: Finding) -> Array:
    return np.concatenate([np.empty((0, 2)), *(_of_arm(finding, one.name) for one in finding.arms)])


def _of_arm(finding: Finding, arm: str) -> Array:
    """First and final accuracy in percent of the runs that have both, (n, 2); a diverged one has no final accuracy."""
    measures = [row.measures for row in finding.rows(arm) if row.status == OK]
    pairs = [(one.get("first_epoch_accuracy"), one.get("test_accuracy")) for one in measures]
    return 100 * np.array([pair for pair in pairs if None not in pair], dtype=float).reshape(-1, 2)


def _caption(
    findings: Sequence[Finding], drawable: Sequence[Finding], shown: Sequence[Finding], arms: Sequence[str]
) -> str:
    crowded = any(len(_points(finding)) > RUNS for finding in shown)
    return (
        "Final test accuracy against validation accuracy after the first epoch, "
        + ("a mark per arm where a panel has too many runs, else a mark per run" if crowded else "a mark per run")
        + "; diverged runs have no final accuracy. The rank correlation is Spearman's, over the runs of all arms of a "
        "block. Each panel has scales of its own." + left_out_of(shown, drawable, arms, findings)
    )


def _alt(shown: Sequence[Finding]) -> str:
    correlations = [
        f"{finding.title} {'constant' if (rho := rank_correlation(_points(finding))) is None else f'{rho:.2f}'}"
        for finding in shown
    ]
    return (
        f"Scatter of first-epoch against final accuracy in {counted(len(shown), 'block')}. "
        f"Rank correlations: {some(correlations, '; ')}."
    )
