"""The study's question: the difference in accuracy of its two arms in each block, over the margin.

In: a Question. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from bench.report.analysis.finding import EQUAL, Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, LEVELS, NEITHER, UNDECIDED, WITHIN, Pair
from bench.report.analysis.question import Question
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.arms import outcomes
from bench.report.figures.svg import Tips, drawing
from bench.report.tables.markdown import escaped
from bench.report.wording.answer import verdict
from bench.report.wording.format import PERCENT, left_out, number, points, some

NAME = "differences"
BLOCKS = 40
LABEL = 36  # letters of a block's name on one line
WIDE = 8  # margins; a larger difference bends the scale
MARKS = {
    DIFFERENT: ("s", "black"),
    WITHIN: ("s", "white"),
    EQUIVALENT: ("o", "black"),
    EQUAL: ("o", "white"),
    UNDECIDED: ("D", style.PALE),
    NEITHER: ("x", "white"),
}
THICK = 2.4  # pt of the interval of equivalence
TICKS = (1, 3, 10, 30, 100)  # points, on a bent scale
Pairs = Sequence[tuple[Finding, Pair]]


def differences(question: Question | None) -> Figure | None:
    """The differences; None where the study asks no question, or no two arms trained with the same seed."""
    if question is None or not any(pair.seeds for _, pair in question.pairs):
        return None
    shown = question.pairs[:BLOCKS]
    tips = Tips()
    sheet = style.sheet(20 + 4.6 * len(shown))
    axis = sheet.add_subplot()
    for y, (finding, pair) in enumerate(shown):
        _draw(axis, y, finding, pair, tips)
    bent = _scales(axis, shown)
    axis.set_xlabel(f"{question.arms[0]} − {question.arms[1]} (percentage points)")
    legend(sheet, {verdict(pair) for _, pair in shown if pair.seeds})
    caption = _caption(question, len(shown), bent)
    return Figure(NAME, caption, drawing(sheet, NAME, tips), _alt(question, shown))


def _draw(axis: Axes, y: int, finding: Finding, pair: Pair, tips: Tips) -> None:
    found, block = pair.accuracy, _name(finding)
    corner, width = (-found.margin, y - 0.5), 2 * found.margin
    margin = Rectangle(corner, width, 1, color=style.PALE, linewidth=0.3)  # without a line seams show
    axis.add_patch(margin)
    tips.add(f"{block}: the margin, {number(found.margin, finding.digits)} points", margin)
    draw(axis, y, finding, pair, tips, block)


def draw(axis: Axes, y: int, finding: Finding, pair: Pair, tips: Tips, name: str) -> None:
    """A pair at a height: its difference with both intervals, or in words why there is none."""
    tips.add(f"{name}: {_words(finding, pair)}", *_marks(axis, y, finding, pair))


def _marks(axis: Axes, y: int, finding: Finding, pair: Pair) -> list[Artist]:
    found = pair.accuracy
    if found.difference is None:
        words = f"{verdict(pair)}: {_trained(finding, pair)} trained"
        return [axis.text(0, y, words, ha="center", va="center_baseline", color=style.GREY)]
    marker, inside = MARKS[verdict(pair)]
    drawn: list[Artist] = [*axis.plot(found.difference, y, marker, color="black", markerfacecolor=inside, zorder=3)]
    for low, high, width in ((found.low, found.high, 1.0), (found.close_low, found.close_high, THICK)):
        if low is not None and high is not None:
            drawn += axis.plot([low, high], [y, y], color="black", linewidth=width, solid_capstyle="butt")
    return drawn


def _words(finding: Finding, pair: Pair) -> str:
    arms = [f"{one.name} {outcomes(one)}" for name in (pair.initializer, pair.other) if (one := finding.arm(name))]
    accuracy = f"{points(pair.accuracy, finding.digits)} points, n = {pair.seeds}; " if pair.seeds else ""
    return f"{accuracy}{'; '.join(arms)}: {verdict(pair)}"


def _trained(finding: Finding, pair: Pair) -> str:
    arms = [one for name in (pair.initializer, pair.other) if (one := finding.arm(name))]
    return " against ".join(f"{one.trained} of {one.ended}" for one in arms)


def _name(finding: Finding) -> str:
    return finding.name or "all"


def _scales(axis: Axes, shown: Pairs) -> bool:
    """Set the scales; whether that of the differences is bent."""
    bent = scale(axis, [pair for _, pair in shown])
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_yticks(range(len(shown)), [style.broken(_name(finding), LABEL) for finding, _ in shown])
    axis.tick_params(axis="y", length=0)
    return bent


def scale(axis: Axes, pairs: Sequence[Pair], ticks: Sequence[int] = TICKS) -> bool:
    """Set the scale of differences; whether it is bent: linear within a few margins, logarithmic beyond."""
    found = [pair.accuracy for pair in pairs]
    ends = [abs(end) for one in found for end in (one.difference, one.low, one.high) if end]
    margin = max(one.margin for one in found)
    widest = max([*ends, 1.2 * margin])
    bent = widest > WIDE * margin
    if bent:
        axis.set_xscale("symlog", linthresh=2 * margin, linscale=1.2)
        shown = [tick for tick in ticks if margin <= tick <= widest]
        axis.xaxis.set_major_locator(FixedLocator([*(-tick for tick in reversed(shown)), 0, *shown]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_xlim(-1.1 * widest, 1.1 * widest)
    axis.axvline(0, color="black", linewidth=0.5)
    return bent


def legend(sheet: Sheet, verdicts: set[str]) -> None:
    """What each mark means, above the drawing."""
    marks = {word: mark for word, mark in MARKS.items() if word in verdicts}
    handles = [
        Line2D([], [], color="black", marker=marker, markerfacecolor=inside, linestyle="none")
        for marker, inside in marks.values()
    ]
    sheet.legend(handles, [*marks], loc="outside upper center", ncols=len(MARKS), columnspacing=1.5)


def _caption(question: Question, shown: int, bent: bool) -> str:
    ours, theirs = map(escaped, question.arms)
    wide, narrow = (f"{PERCENT * level:g} %" for level in LEVELS)
    return (
        f"Accuracy of {ours} less that of {theirs} over the seeds where both trained: thin the {wide} interval, thick "
        f"the {narrow} interval of equivalence, shaded the margin. The mark is the verdict on accuracy and training "
        "rate together."
        + (" The scale is linear near zero and logarithmic beyond." if bent else "")
        + left_out(shown, len(question.pairs), "block", "the first ones")
    )


def _alt(question: Question, shown: Pairs) -> str:
    found = [
        f"{_name(finding)} {points(pair.accuracy, finding.digits)} points, {verdict(pair)}" for finding, pair in shown
    ]
    return f"Differences in accuracy, {' less '.join(question.arms)}, by block: {some(found, '; ')}."
