"""How often each arm trains beside how accurate its trained runs are: two panels per block.

In: findings. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import ArmStyle, arm_styles, arms_of, best_arms, left_out_of, outcomes
from bench.report.figures.svg import Tips, drawing
from bench.report.statistics import Estimate
from bench.report.wording.format import PERCENT, accuracy_of, confidence, counted, estimate, some, with_spread

NAME = "rates"
ARMS = 24
LABEL = 28  # letters of an arm's name on one line
HEAD, LEAST, LINE = 9.0, 2.6, 3.2  # mm: of a panel without its arms, of an arm where a page is full, and else
BESIDE = 4  # panels: two blocks


def rates(findings: Sequence[Finding]) -> Figure | None:
    """Training rates and accuracies; None where no run has ended."""
    drawable = [finding for finding in findings if any(one.rate for one in finding.arms)]
    if not drawable:
        return None
    arms = best_arms(drawable, ARMS)
    beside = min(BESIDE, 2 * len(drawable))
    shown = drawable[: style.room(HEAD + LEAST * len(arms), columns=beside) // 2]
    styles, tips = arm_styles(arms_of(findings)), Tips()
    titles = [title for finding in shown for title in (finding.title, "")]
    sheet, axes = style.panels(titles, HEAD + LINE * len(arms), columns=beside)
    for place, finding in enumerate(shown):
        left, right = axes[2 * place : 2 * place + 2]
        for y, name in enumerate(arms):
            if (one := finding.arm(name)) and one.rate:
                tips.add(_tip(finding, one), *_draw(left, right, y, one, styles[name]))
        _scales(left, right, arms, named=2 * place % beside == 0, last=place >= len(shown) - beside // 2)
    return Figure(NAME, _caption(findings, drawable, shown, arms), drawing(sheet, NAME, tips), _alt(shown))


def _draw(left: Axes, right: Axes, y: int, one: Arm, drawn_as: ArmStyle) -> list[Artist]:
    drawn = _interval(left, y, one.rate, one, drawn_as) + _interval(right, y, one.accuracy, one, drawn_as)
    if not one.trained:
        words = right.text(0.03, y, "no trained run", transform=right.get_yaxis_transform(), va="center_baseline")
        words.set(color=style.GREY, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        drawn.append(words)
    return drawn


def _interval(axis: Axes, y: int, found: Estimate | None, one: Arm, drawn_as: ArmStyle) -> list[Artist]:
    """Draw an estimate in percent: a mark, hollow where some runs did not train, and its interval."""
    if found is None:
        return []
    colour, inside = drawn_as.colour, drawn_as.inside(one)
    mark = axis.plot(PERCENT * found.value, y, drawn_as.marker, color=colour, markerfacecolor=inside, zorder=3)
    if found.low is None or found.high is None:
        return [*mark]
    return [*mark, *axis.plot([PERCENT * found.low, PERCENT * found.high], [y, y], color=colour)]


def _scales(left: Axes, right: Axes, arms: Sequence[str], named: bool, last: bool) -> None:
    left.set_xlim(-5, 105)
    left.set_xticks([0, 50, 100])
    right.xaxis.set_major_locator(MaxNLocator(3) if right.lines else NullLocator())
    for axis, scale in ((left, "runs that train (%)"), (right, "accuracy (%)")):
        axis.set_ylim(len(arms) - 0.4, -0.6)
        axis.set_yticks(range(len(arms)), [])
        axis.grid(axis="both")
        axis.set_xlabel(scale if last else "")
    if named:
        left.set_yticks(range(len(arms)), [style.broken(arm, LABEL) for arm in arms])


def _tip(finding: Finding, one: Arm) -> str:
    reached = accuracy_of(one.accuracy, finding.digits) if one.accuracy else "no trained run"
    return f"{one.name}, {finding.title}: {outcomes(one)}, {estimate(one.rate, 0, PERCENT)} %; {reached}"


def _caption(
    findings: Sequence[Finding], drawable: Sequence[Finding], shown: Sequence[Finding], arms: Sequence[str]
) -> str:
    spread = any(one.accuracy and one.accuracy.low is not None for finding in shown for one in finding.arms)
    return (
        f"On the left of each block the share of runs that trained, with its {confidence()} interval; on the right the "
        f"mean test accuracy of these runs{with_spread(spread, 'interval')}. A hollow mark: some runs of the arm did "
        "not train. Each scale of accuracy is its own." + left_out_of(shown, drawable, arms, findings)
    )


def _alt(shown: Sequence[Finding]) -> str:
    tops = []
    for finding in shown:
        reached = next(
            (f"{one.name} {accuracy_of(one.accuracy, finding.digits)}" for one in finding.arms if one.accuracy), ""
        )
        failing = [f"{one.name} {one.trained} of {one.ended}" for one in finding.arms if one.trained < one.ended]
        tops.append(
            f"{finding.title}: {reached or 'nothing trains'}" + (f"; trained {some(failing)}" if failing else "")
        )
    return (
        f"Training rates beside accuracies in {counted(len(shown), 'block')}. The highest mean of each, and the arms "
        f"that did not always train: {some(tops, '. ')}."
    )
