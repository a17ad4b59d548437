"""What came out: every arm in every block, the blocks at a glance, the study's question.

In: a Study. Out: Tables. Touches: nothing.
"""

from bench.report.analysis import pairs
from bench.report.document import Cell, Table
from bench.report.paper.study import Line, Study
from bench.report.tables.markdown import escaped
from bench.report.wording.format import DASH, PERCENT, interval, number, p, points
from bench.schema import FAILED, PREEMPTED

LEADS = "leads"
RESULTS = (
    "Every arm in every block: mean test accuracy of the converged runs and share of diverged runs with their "
    "intervals, mean accuracy after the first epoch, and the difference from the leading arm of the block in points, "
    "with the decision on it."
)
GLANCE = (
    "The study at a glance: mean test accuracy in percent with its interval; an asterisk marks arms with diverged "
    "runs, which are in no mean."
)
BLOCKS = (
    "The decision in each block: whether the initializer matters, which arm leads, and within how many points two arms "
    "count as equivalent."
)


def results(study: Study) -> Table:
    """One line per block and arm: runs, accuracy, divergence, first epoch, and the decision against the leader."""
    lost = [status for status in (FAILED, PREEMPTED) if study.summary.counts[status]]
    header = (*study.columns, "initializer", "converged", *lost, "test accuracy %", "diverged %", "first epoch %")
    return Table(
        f"results{study.suffix}",
        RESULTS,
        (*header, "from the leader", "decision"),
        tuple((*labels(study, block), *_arm(study, block, line, lost)) for block, line in study.lines),
        len(study.columns) + 1,
        (*study.columns, "initializer"),
    )


def glance(study: Study) -> Table:
    """One line per block, one column per arm: the mean and its interval."""
    lines = {(block, line["initializer"]): line for block, line in study.lines}
    return Table(
        f"glance{study.suffix}",
        GLANCE,
        (*study.columns, *study.arms),
        tuple(
            (*labels(study, block), *(_mean(study, block, lines.get((block, arm))) for arm in study.arms))
            for block in study.blocks
        ),
        len(study.columns),
        tuple(study.columns),
    )


def blocks(study: Study) -> Table:
    """One line per block: its verdict, its leader, its margin."""
    return Table(
        f"blocks{study.suffix}",
        BLOCKS,
        (*study.columns, "the initializer", "leading arm", "margin in points", "test images"),
        tuple((*labels(study, name), *_block(study, name)) for name in study.blocks),
        len(study.columns),
        tuple(study.columns),
    )


def question(study: Study) -> Table | None:
    """The two arms that the study was made for, in every block; None where it names none or has no mean of both."""
    asked = study.summary.question
    if asked is None:
        return None
    lines = []
    for block, pair in zip(asked.blocks, asked.pairs, strict=True):
        name = block if block in study.blocks else next(iter(study.blocks))  # one block alone has no name there
        runs = study.runs(name, *asked.arms)
        shown = points(pair.difference_points, pair.low_points, pair.high_points, study.digits(name))
        tested = (
            Cell(p(pair.p_holm), pair.p_holm, runs),
            Cell(p(pair.equivalence_p_holm), pair.equivalence_p_holm, runs),
        )
        seeds = Cell(str(pair.seeds), pair.seeds, runs)
        lines.append(
            (*labels(study, name), Cell(shown, pair.difference_points, runs), seeds, *tested, Cell(pair.verdict))
        )
    return Table(
        f"question{study.suffix}",
        f"{escaped(asked.arms[0])} minus {escaped(asked.arms[1])} in percentage points, paired by seed; p-values of "
        "the two tests are Holm-adjusted over the blocks.",
        (*study.columns, "difference in points", "seeds", "p of difference", "p of equivalence", "decision"),
        tuple(lines),
        len(study.columns),
        tuple(study.columns),
    )


def labels(study: Study, block: str) -> list[Cell]:
    """A block's choices as cells; a choice that it lacks is a dash."""
    return [Cell(DASH if value is None else str(value)) for value in study.blocks[block].choices.values()]


def _arm(study: Study, block: str, line: Line, lost: list[str]) -> list[Cell]:
    arm, runs = line["initializer"], study.runs(block, line["initializer"])
    rate, first = line["divergence_rate"], line["first_epoch_accuracy_mean"]
    return [
        Cell(arm),
        Cell(f"{line['converged']} of {line['runs']}", line["converged"], runs),
        *(Cell(str(line[status]), line[status], runs) for status in lost),
        _mean(study, block, line),
        Cell(interval(line, "divergence_rate", "divergence_rate", 0, PERCENT), rate, runs),
        Cell(number(first, 1, PERCENT), first, runs),
        *_decision(study, block, arm),
    ]


def _mean(study: Study, block: str, line: Line | None) -> Cell:
    if line is None:
        return Cell(DASH)
    shown = interval(line, "test_accuracy_mean", "test_accuracy", study.digits(block), PERCENT)
    star = "*" * bool(line["diverged"])
    return Cell(shown + star, line["test_accuracy_mean"], study.runs(block, line["initializer"]))


def _decision(study: Study, block: str, arm: str) -> tuple[Cell, Cell]:
    leader = study.about_blocks[block]["leader"]
    pair = study.pairs.get((block, arm, leader))
    if arm == leader or pair is None:
        return Cell(DASH), Cell(LEADS if arm == leader else DASH)
    runs = study.runs(block, arm, leader)
    shown = points(pair["difference_points"], pair["low_points"], pair["high_points"], study.digits(block))
    return Cell(shown, pair["difference_points"], runs), Cell(pair["verdict"], None, runs)


def _block(study: Study, name: str) -> list[Cell]:
    about = study.about_blocks[name]
    runs = study.runs(name, *study.arms_of(name))
    margin = about["margin_points"]
    return [
        Cell(about["verdict"], None, runs),
        Cell(about["leader"] or DASH),
        Cell(number(margin, pairs.digits(margin)), margin),
        Cell(f"{about['test_images']:,.0f}" if about["test_images"] else DASH, about["test_images"]),
    ]
