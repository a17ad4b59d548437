"""Every arm against one of them: the difference in accuracy over the margin, a panel per block, a line per arm.

In: findings, a Question. Out: a Figure. Touches: nothing.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import LEVELS, Pair
from bench.report.analysis.question import Question
from bench.report.document import Figure
from bench.report.figures import style
from bench.report.figures.differences import draw, legend, scale
from bench.report.figures.learning_rate import name_without
from bench.report.figures.svg import Tips, drawing
from bench.report.tables.markdown import escaped
from bench.report.wording.answer import verdict
from bench.report.wording.format import PERCENT, counted, left_out, number, points, some
from bench.rows.tuning import TUNED

NAME = "against"
LINE, ENDS = 3.3, 8.0  # mm of an arm in a panel, and of a panel's title and scale
COLUMNS = 3
LEGEND = 5.0  # mm
FEWEST = 3  # arms; two are the figure of the question
TICKS = (1, 10, 100)  # points, on a bent scale

Pairs = list[tuple[str, Pair | None]]  # by arm; None for one without ended runs


def against(findings: Sequence[Finding], question: Question | None) -> Figure | None:
    """Every arm less the second arm of the question; None where a study asks none, or has no other arms.

    Of a study that tunes, the blocks where each arm has its own value.
    """
    if question is None:
        return None
    blocks = {finding.title: _pairs(finding, question) for finding in _tuned(findings)}
    arms = sorted({name for pairs in blocks.values() for name, pair in pairs if pair})
    drawable = [one for one in _tuned(findings) if any(pair and pair.seeds for _, pair in blocks[one.title])]
    if len(arms) < FEWEST - 1 or not drawable:
        return None
    height = ENDS + LINE * len(arms)
    shown = drawable[: style.room(height, LEGEND, COLUMNS)]
    tips = Tips()
    sheet, axes = style.panels([_title(one, one.arm(question.arms[1])) for one in shown], height, LEGEND, COLUMNS)
    for place, (finding, axis) in enumerate(zip(shown, axes, strict=True)):
        _panel(axis, finding, dict(blocks[finding.title]), arms, tips)
        axis.set_yticks(range(len(arms)), arms if place % COLUMNS == 0 else [""] * len(arms))
    sheet.supxlabel(f"difference from {question.arms[1]} (percentage points)")
    found = [pair for one in shown for _, pair in blocks[one.title] if pair]
    legend(sheet, {verdict(pair) for pair in found if pair.seeds})
    caption = _caption(question, findings, drawable) + left_out(len(shown), len(drawable), "block", "the first ones")
    alt = [_said(finding, blocks[finding.title]) for finding in shown]
    return Figure(NAME, caption, drawing(sheet, NAME, tips), f"{counted(len(shown), 'block')}. {some(alt, '; ')}.")


def _tuned(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if TUNED in one.choices.values()] or [*findings]


def _pairs(finding: Finding, question: Question) -> Pairs:
    """The pair of each arm of a block with the second arm of the question, that of the question as it decides it."""
    ours, theirs = question.arms
    own = {one.name: pair for one, pair in question.pairs}
    return [
        (one.name, own.get(finding.name) if one.name == ours else finding.pair(one.name, theirs))
        for one in finding.arms
        if one.name != theirs
    ]


def _panel(axis: Axes, finding: Finding, pairs: Mapping[str, Pair | None], arms: Sequence[str], tips: Tips) -> None:
    axis.axvspan(-finding.margin, finding.margin, color=style.PALE, linewidth=0)
    for y, name in enumerate(arms):
        if (pair := pairs.get(name)) and pair.seeds:
            draw(axis, y, finding, pair, tips, f"{name}, {finding.title}")
        _count(axis, y, finding.arm(name))
    scale(axis, [pair for pair in pairs.values() if pair], TICKS)
    axis.set_ylim(len(arms) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)


def _count(axis: Axes, y: int, one: Arm | None) -> None:
    """How many runs of an arm trained, where not all did."""
    if one and one.trained < one.ended:
        words = axis.text(1.0, y, f"{one.trained}/{one.ended}", transform=axis.get_yaxis_transform(), color=style.GREY)
        words.set(ha="right", va="center_baseline")


def _title(finding: Finding, other: Arm | None) -> str:
    """The block, and how many runs of the arm trained that all stand against, where not all did."""
    tuned = next((key for key, value in finding.choices.items() if value == TUNED), None)
    name = name_without(tuned, finding) if tuned else finding.title
    lost = other is not None and other.trained < other.ended
    return f"{name} ({other.name} {other.trained}/{other.ended})" if other and lost else name


def _caption(question: Question, findings: Sequence[Finding], drawable: Sequence[Finding]) -> str:
    wide, narrow = (f"{PERCENT * level:g} %" for level in LEVELS)
    ours, theirs = map(escaped, question.arms)
    tuned = ", each arm at its tuned value" if len(_tuned(findings)) < len(findings) else ""
    margins = sorted({number(one.margin, one.digits) for one in drawable})
    return (
        f"Every arm against {theirs}{tuned}: the difference in accuracy over the seeds where both trained, thin its "
        f"{wide} interval, thick the {narrow} interval of equivalence, shaded the margin of {' or '.join(margins)} "
        f"points. The mark is the verdict on accuracy and training rate together, for {ours} as the question "
        "judges it; grey numbers are the runs that trained, where not all did. Scales are linear near zero and "
        "logarithmic beyond where they have to be, and differ from panel to panel."
    )


def _said(finding: Finding, pairs: Pairs) -> str:
    found = [f"{name} {points(pair.accuracy, finding.digits)} {verdict(pair)}" for name, pair in pairs if pair]
    return f"{finding.title}: {some(found, ', ')}"
