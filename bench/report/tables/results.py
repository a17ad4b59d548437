"""The results: every arm in every block, the blocks at a glance, the study's question, every run.

In: a Summary. Out: Tables. Touches: nothing.
"""

from bench.report.analysis.arms import Arm
from bench.report.analysis.finding import Finding
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Table
from bench.report.tables.markdown import escaped
from bench.report.wording.format import DASH, PERCENT, estimate, number, p, points
from bench.schema import FAILED, PREEMPTED, Row

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
RUNS = "Every run: its id, the choices that vary within the study, how it ended and what it reached."


def results(summary: Summary) -> Table:
    """One line per block and arm: runs, accuracy, divergence, first epoch, and the decision against the leader."""
    lost = lost_statuses(summary)
    header = (*summary.columns, "initializer", "converged", *lost, "test accuracy %", "diverged %", "first epoch %")
    return Table(
        "results",
        RESULTS,
        (*header, "from the leader", "decision"),
        tuple(
            (*labels(finding), *arm_cells(finding, one, lost), *_decision(finding, one))
            for finding in summary.findings
            for one in finding.arms
        ),
        len(summary.columns) + 1,
        (*summary.columns, "initializer"),
    )


def glance(summary: Summary) -> Table:
    """One line per block, one column per arm: the mean and its interval."""
    return Table(
        "glance",
        GLANCE,
        (*summary.columns, *summary.arms),
        tuple((*labels(finding), *means(finding, summary.arms)) for finding in summary.findings),
        len(summary.columns),
        tuple(summary.columns),
    )


def blocks(summary: Summary) -> Table:
    """One line per block: its verdict, its leader, its margin."""
    return Table(
        "blocks",
        BLOCKS,
        (*summary.columns, "the initializer", "leading arm", "margin in points", "test images"),
        tuple((*labels(finding), *_block(finding)) for finding in summary.findings),
        len(summary.columns),
        tuple(summary.columns),
    )


def question(summary: Summary) -> Table | None:
    """The two arms that the study was made for, in every block; None where it names none or has no mean of both."""
    comparison = summary.question
    if comparison is None:
        return None
    ours, theirs = map(escaped, comparison.arms)
    lines = []
    for finding, pair in comparison.pairs:
        runs = finding.ids(*comparison.arms)
        cells = (
            Cell(points(pair, finding.digits), pair.difference_points, runs),
            Cell(str(pair.seeds), pair.seeds, runs),
            Cell(p(pair.p_holm), pair.p_holm, runs),
            Cell(p(pair.equivalence_p_holm), pair.equivalence_p_holm, runs),
        )
        lines.append((*labels(finding), *cells, Cell(pair.verdict)))
    return Table(
        "question",
        f"{ours} minus {theirs} in percentage points, paired by seed; p-values of "
        "the two tests are Holm-adjusted over the blocks.",
        (*summary.columns, "difference in points", "seeds", "p of difference", "p of equivalence", "decision"),
        tuple(lines),
        len(summary.columns),
        tuple(summary.columns),
    )


def runs(summary: Summary) -> Table:
    """Id, the choices that vary, status, test accuracy in percent, seconds, and the cause where a run failed."""
    failed = any(row.error for row in summary.rows)
    return Table(
        "runs",
        RUNS,
        ("run", *summary.columns, "initializer", "seed", "status", "test accuracy %", "seconds", *["cause"] * failed),
        tuple(
            (Cell(row.id, None, (row.id,)), *labels(finding), Cell(name), *_end(row, failed))
            for finding in summary.findings
            for name, rows in sorted({**finding.block.arms, **finding.block.control}.items())
            for row in sorted(rows, key=lambda row: (row.choices.get("seed") or 0, row.id))
        ),
        len(summary.columns) + 2,
        (*summary.columns, "initializer", "status"),
    )


def labels(finding: Finding) -> list[Cell]:
    """A block's choices as cells; a choice that it lacks is a dash."""
    return [Cell(DASH if value is None else str(value)) for value in finding.choices.values()]


def lost_statuses(summary: Summary) -> list[str]:
    """Of the statuses that are no result, those that some run of the study has."""
    return [status for status in (FAILED, PREEMPTED) if summary.counts[status]]


def arm_cells(finding: Finding, one: Arm, lost: list[str], star: bool = True) -> list[Cell]:
    """Name, converged runs, runs of the `lost` statuses, test accuracy, divergence rate, first epoch."""
    rate, first = one.divergence_rate, one.first_epoch_accuracy
    return [
        Cell(one.name),
        Cell(f"{one.converged} of {one.runs}", one.converged, one.ids),
        *(Cell(str(one.lost[status]), one.lost[status], one.ids) for status in lost),
        _mean(finding, one, star=star),
        Cell(estimate(rate, 0, PERCENT), rate.value if rate else None, one.ids),
        Cell(number(first, 1, PERCENT), first, one.ids),
    ]


def means(finding: Finding, arms: list[str], intervals: bool = True) -> list[Cell]:
    """The mean of each arm, an asterisk behind it where runs diverged; a dash for an arm that the block lacks."""
    found = [finding.arm(name) for name in arms]
    return [Cell(DASH) if one is None else _mean(finding, one, intervals) for one in found]


def _mean(finding: Finding, one: Arm, intervals: bool = True, star: bool = True) -> Cell:
    digits = finding.digits
    shown = estimate(one.test_accuracy, digits, PERCENT) if intervals else number(one.mean, digits, PERCENT)
    return Cell(shown + "*" * (star and bool(one.diverged)), one.mean, one.ids)


def _decision(finding: Finding, one: Arm) -> tuple[Cell, Cell]:
    leads = finding.leader is one
    pair = finding.pair(one.name, finding.leader.name) if finding.leader else None
    if leads or pair is None:
        return Cell(DASH), Cell(LEADS if leads else DASH)
    runs = finding.ids(pair.initializer, pair.other)
    return Cell(points(pair, finding.digits), pair.difference_points, runs), Cell(pair.verdict, None, runs)


def _block(finding: Finding) -> list[Cell]:
    images = finding.test_images
    return [
        Cell(finding.verdict, None, finding.ids(*finding.block.arms)),
        Cell(finding.leader.name if finding.leader else DASH),
        Cell(number(finding.margin, finding.digits), finding.margin),
        Cell(f"{images:,}" if images else DASH, images),
    ]


def _end(row: Row, failed: bool) -> list[Cell]:
    seed, accuracy, seconds = row.choices.get("seed"), row.measures.get("test_accuracy"), row.measures.get("seconds")
    return [
        Cell(DASH if seed is None else str(seed), seed),
        Cell(row.status),
        Cell(number(accuracy, 2, PERCENT), accuracy),
        Cell(number(seconds, 1), seconds),
        *[Cell((row.error or {}).get("cause") or DASH)] * failed,
    ]
