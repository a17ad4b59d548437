"""The study's question: the paired difference of its two arms in each block, over the margin of equivalence.

In: a Question. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, UNDECIDED, Pair
from bench.report.analysis.question import NEITHER, Question
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.svg import Tips, drawing
from bench.report.tables.markdown import escaped
from bench.report.wording.format import confidence, interval, left_out, number, some

NAME = "differences"
BLOCKS = 40
LABEL = 36  # letters of a block's name on one line
WIDE = 8  # margins; a larger difference bends the scale
MARKS = {DIFFERENT: ("s", "black"), EQUIVALENT: ("o", "white"), UNDECIDED: ("D", style.PALE), NEITHER: ("x", "white")}
TICKS = (1, 3, 10, 30, 100)  # points, on a bent scale


def differences(question: Question | None) -> Figure | None:
    """Paired differences; None where the study asks no question, or no block has a difference."""
    found = question.pairs if question else ()
    drawable = [(finding, pair) for finding, pair in found if pair.difference_points is not None]
    if question is None or not drawable:
        return None
    shown = drawable[:BLOCKS]
    tips = Tips()
    sheet = style.sheet(20 + 4.6 * len(shown))
    axis = sheet.add_subplot()
    for y, (finding, pair) in enumerate(shown):
        _draw(axis, y, finding, pair, tips)
    bent = _scales(axis, shown)
    axis.set_xlabel(f"{question.arms[0]} − {question.arms[1]} (percentage points)")
    _legend(axis, {pair.verdict for _, pair in shown})
    return Figure(
        NAME, _caption(question, shown, len(drawable), bent), drawing(sheet, NAME, tips), _alt(question, shown)
    )


def _draw(axis: Axes, y: int, finding: Finding, pair: Pair, tips: Tips) -> None:
    left, width = -pair.margin_points, 2 * pair.margin_points
    margin = Rectangle((left, y - 0.5), width, 1, color=style.PALE, linewidth=0.3)  # an edge, or seams would show
    axis.add_patch(margin)
    marker, inside = MARKS[pair.verdict]
    drawn = axis.plot(pair.difference, y, marker, color="black", markerfacecolor=inside, zorder=3)
    if pair.low_points is not None and pair.high_points is not None:
        drawn += axis.plot([pair.low_points, pair.high_points], [y, y], color="black")
    block = _name(finding)
    tips.add(f"{block}: {_points(finding, pair)}, n = {pair.seeds}: {pair.verdict}", *drawn)
    tips.add(f"{block}: the margin, {number(finding.margin, finding.digits)} points", margin)


def _points(finding: Finding, pair: Pair) -> str:
    return f"{interval(pair.difference, pair.low_points, pair.high_points, finding.digits)} points"


def _name(finding: Finding) -> str:
    return finding.name or "all"


def _scales(axis: Axes, shown: Sequence[tuple[Finding, Pair]]) -> bool:
    """Set the scales; whether that of the differences is bent: linear within a few margins, logarithmic beyond."""
    ends = [abs(end) for _, pair in shown for end in (pair.difference_points, pair.low_points, pair.high_points) if end]
    margin = max(pair.margin_points for _, pair in shown)
    widest = max([*ends, 1.2 * margin])
    bent = widest > WIDE * margin
    if bent:
        axis.set_xscale("symlog", linthresh=2 * margin, linscale=1.2)
        ticks = [tick for tick in TICKS if margin < tick <= widest]
        axis.xaxis.set_major_locator(FixedLocator([*(-tick for tick in reversed(ticks)), 0, *ticks]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_xlim(-1.1 * widest, 1.1 * widest)
    axis.axvline(0, color="black", linewidth=0.5)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_yticks(range(len(shown)), [style.broken(_name(finding), LABEL) for finding, _ in shown])
    axis.tick_params(axis="y", length=0)
    return bent


def _legend(axis: Axes, verdicts: set[str]) -> None:
    for verdict, (marker, inside) in MARKS.items():
        if verdict in verdicts:
            axis.plot([], [], marker, color="black", markerfacecolor=inside, label=verdict)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(MARKS), columnspacing=1.5)


def _caption(question: Question, shown: Sequence[tuple[Finding, Pair]], total: int, bent: bool) -> str:
    ours, theirs = map(escaped, question.arms)
    return (
        f"{ours} less {theirs}, paired by seed, with {confidence()} intervals; the shade is the margin of "
        "equivalence. Verdicts are Holm-adjusted over the blocks."
        + (" The scale is linear near zero and logarithmic beyond." if bent else "")
        + left_out(len(shown), total, "block", "the first ones")
    )


def _alt(question: Question, shown: Sequence[tuple[Finding, Pair]]) -> str:
    found = [f"{_name(finding)} {_points(finding, pair)}, {pair.verdict}" for finding, pair in shown]
    return f"Paired differences, {' less '.join(question.arms)}, by block: {some(found, '; ')}."
