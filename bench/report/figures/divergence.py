"""The divergence map: how many of the ended runs of each arm diverged in each block, darker for more.

In: findings. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import arms_of
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import PERCENT, counted, estimate, left_out, some

NAME = "divergence"
BLOCKS, ARMS = 36, 14
HEIGHT = 4.2  # mm of a field
LABEL = 32  # letters of a block's name on one line
DARK = 0.55  # the rate from which letters are white


def divergence(findings: Sequence[Finding]) -> Figure | None:
    """The map; None where no run diverged."""
    arms = arms_of(findings)
    by_arm = {name: sum(one.diverged for each in findings for one in each.arms if one.name == name) for name in arms}
    if not any(by_arm.values()):
        return None
    columns = sorted(sorted(arms, key=lambda arm: (-by_arm[arm], arm))[:ARMS])
    ranked = sorted(findings, key=lambda finding: -sum(one.diverged for one in finding.arms))[:BLOCKS]
    shown = [finding for finding in findings if finding in ranked]
    tips = Tips()
    names = [style.broken(finding.title, LABEL) for finding in shown]
    sheet = style.sheet(24 + HEIGHT * len(shown))
    axis = sheet.add_subplot()
    for y, finding in enumerate(shown):
        for x, arm in enumerate(columns):
            if one := finding.arm(arm):
                _field(axis, x, y, one, f"{arm}, {finding.title}", tips)
    _scales(axis, columns, names)
    return Figure(NAME, _caption(findings, shown, arms, columns), drawing(sheet, NAME, tips), _alt(shown))


def _field(axis: Axes, x: int, y: int, one: Arm, where: str, tips: Tips) -> None:
    ended, rate = one.converged + one.diverged, one.divergence_rate.value if one.divergence_rate else None
    field = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=str(1 - 0.85 * (rate or 0.0)), edgecolor=style.PALE)
    axis.add_patch(field)
    ink = "white" if (rate or 0) > DARK else "black" if rate else style.GREY
    text = axis.text(x, y, f"{one.diverged}/{ended}", color=ink, ha="center", va="center_baseline")
    if rate is None:
        tips.add(f"{where}: no run ended", field, text)
    else:
        shown = estimate(one.divergence_rate, 0, PERCENT)
        tips.add(f"{where}: {shown} % diverged, n = {ended}", field, text)


def _scales(axis: Axes, arms: Sequence[str], names: Sequence[str]) -> None:
    axis.set_xlim(-0.5, len(arms) - 0.5)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xticks(
        range(len(arms)), [style.broken(arm, LABEL) for arm in arms], rotation=35, ha="right", rotation_mode="anchor"
    )
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _caption(findings: Sequence[Finding], shown: Sequence[Finding], arms: Sequence[str], columns: Sequence[str]) -> str:
    return (
        "Diverged of ended runs, per block and arm: the darker, the higher the rate. An empty field: no such arm there."
        + left_out(len(shown), len(findings), "block", "those with the most diverged runs")
        + left_out(len(columns), len(arms), "arm", "those with the most diverged runs")
    )


def _alt(shown: Sequence[Finding]) -> str:
    found = [
        (one.diverged, f"{one.name} in {finding.title} {one.diverged} of {one.converged + one.diverged}")
        for finding in shown
        for one in finding.arms
        if one.diverged
    ]
    arms = [text for _, text in sorted(found, key=lambda one: -one[0])]
    return f"Map of divergence, {counted(len(shown), 'block')}. Diverged: {some(arms, '; ')}; elsewhere none."
