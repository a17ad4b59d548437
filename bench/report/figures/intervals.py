"""The forest plot: the mean test accuracy of each arm with its interval, a panel per block.

In: findings. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.report.analysis.finding import Finding
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles, arms_of, best_arms
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import accuracy_of, counted, left_out, some, with_spread

NAME = "intervals"
ARMS = 24
LABEL = 28  # letters of an arm's name on one line


def intervals(findings: Sequence[Finding]) -> Figure | None:
    """Means with intervals; None where no arm has a mean."""
    drawable = [finding for finding in findings if any(one.test_accuracy for one in finding.arms)]
    if not drawable:
        return None
    arms = best_arms(drawable, ARMS)
    shown = drawable[: style.room(9 + 2.55 * len(arms))]
    styles, tips = arm_styles(arms_of(findings)), Tips()
    sheet, axes = style.panels([finding.title for finding in shown], 10 + 3.1 * len(arms))
    for place, (finding, axis) in enumerate(zip(shown, axes, strict=True)):
        _draw(finding, arms, axis, styles, tips)
        if place % style.per_line(len(shown)) == 0:
            axis.set_yticks(range(len(arms)), [style.broken(arm, LABEL) for arm in arms])
    sheet.supxlabel("test accuracy (%)")
    return Figure(NAME, _caption(findings, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown))


def _draw(finding: Finding, arms: Sequence[str], axis: Axes, styles: dict[str, ArmStyle], tips: Tips) -> None:
    for y, name in enumerate(arms):
        one = finding.arm(name)
        if one is None or one.test_accuracy is None:
            continue
        reached, drawn_as = one.test_accuracy, styles[name]
        inside = "white" if one.diverged else drawn_as.colour
        drawn = axis.plot(
            100 * reached.value, y, drawn_as.marker, color=drawn_as.colour, markerfacecolor=inside, zorder=3
        )
        if reached.low is not None and reached.high is not None:
            drawn += axis.plot([100 * reached.low, 100 * reached.high], [y, y], color=drawn_as.colour)
        lost = f", {one.diverged} diverged" if one.diverged else ""
        tips.add(f"{name}, {finding.title}: {accuracy_of(reached, finding.digits)}{lost}", *drawn)
    axis.set_ylim(len(arms) - 0.4, -0.6)
    axis.set_yticks(range(len(arms)), [])
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.grid(axis="both")


def _caption(
    findings: Sequence[Finding], drawable: Sequence[Finding], shown: Sequence[Finding], arms: Sequence[str]
) -> str:
    reached = [one for finding in shown for one in finding.arms if one.test_accuracy]
    lost = any(one.diverged for one in reached)
    spread = any(one.test_accuracy.low is not None for one in reached if one.test_accuracy)
    return (
        f"Mean test accuracy over converged runs{with_spread(spread, 'interval')}. Each panel has a scale of its own."
        + (" A hollow mark: some runs of the arm diverged, and are in no mean." if lost else "")
        + left_out(len(shown), len(drawable), "block", "the first ones")
        + left_out(len(arms), len(arms_of(findings)), "arm", "those that stand highest on average")
    )


def _alt(shown: Sequence[Finding]) -> str:
    tops = []
    for finding in shown:
        name, reached = next((one.name, one.test_accuracy) for one in finding.arms if one.test_accuracy)
        tops.append(f"{finding.title}: {name} {accuracy_of(reached, finding.digits)}")
    return (
        f"Forest plot of mean test accuracies in {counted(len(shown), 'block')}. The highest mean of each: "
        f"{some(tops, '; ')}."
    )
