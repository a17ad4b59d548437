"""The results: every arm in every block, the blocks at a glance, the study's question, every run.

In: a Summary. Out: Tables. Touches: nothing.
"""

from collections import Counter

from bench.report.analysis.arms import Arm, outcome
from bench.report.analysis.blocks import short
from bench.report.analysis.finding import Finding
from bench.report.analysis.levels import Level, by_choice
from bench.report.analysis.pairs import Pair
from bench.report.analysis.question import Question
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Table
from bench.report.tables.markdown import escaped
from bench.report.wording.answer import PAIRS, verdict, word_of_block
from bench.report.wording.format import DASH, PERCENT, estimate, interval_alone, number, p, points, range_of
from bench.rows.tuning import SHARED, TUNED
from bench.schema import FAILED, PREEMPTED, Row

RESULTS = (
    "Every arm in every block: how many of its runs trained, the training rate with its Wilson interval, the mean "
    "test accuracy of the trained runs with its interval, the mean over all runs (a diverged one counts as chance), "
    "the mean accuracy after the first epoch, and the difference in accuracy from the leader with the verdict. The "
    "leader is the arm of the leading set with the highest mean over all runs."
)
GLANCE = (
    "The study at a glance: mean test accuracy of the trained runs in percent with its interval, and in brackets how "
    "many runs trained where not all did."
)
UNFIT = "unfit"
BLOCKS = "The verdict in each block, and the leading set: the arms that train, than which none is shown to be better."
LEVELS = (
    "Where it matters, by choice, by the mean over all runs, a diverged one counted as chance: of a study that tunes, "
    "each arm at its own value, the points by which the arm that tuning ranks first leads the last in the mean of the "
    "blocks, with the interval over the fresh seeds; the gap between the best and the worst arm of the median block, "
    "which chance widens; the lowest and the highest training rate of an arm, the verdicts on pairs of arms, and the "
    "widest difference in accuracy that is shown."
)
RUNS = "Every run: its id, the choices that vary within the study, how it ended and what it reached."


def results(summary: Summary) -> Table:
    """One line per block and arm: outcomes, rate, accuracy, first epoch, and the verdict against the leader."""
    lost = lost_statuses(summary)
    measured = ("trained", *lost, "training rate %", "accuracy %", "all runs %", "first epoch %")
    return Table(
        "results",
        RESULTS,
        (*summary.columns, "initializer", *measured, "from the leader", "verdict"),
        tuple(
            (*labels(finding), *arm_cells(finding, one, lost), *_verdict(finding, one))
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
    """One line per block: its verdict and its leading set."""
    return Table(
        "blocks",
        BLOCKS,
        (*summary.columns, "the initializer", "leading set"),
        tuple((*labels(finding), *_block(summary, finding)) for finding in summary.findings),
        len(summary.columns) + 2,
        tuple(summary.columns),
    )


def levels(summary: Summary) -> Table:
    """One line per value of each choice that varies: verdicts on pairs, training rates, the widest difference."""
    findings, tuned = [*map(summary.advised, summary.distinct)], summary.tuning is not None
    found = by_choice(findings, summary.tuning).values()
    header = (
        "choice",
        "value",
        "blocks",
        *("lead",) * tuned,
        "gap",
        "training rates %",
        "pairs",
        *PAIRS,
        "widest difference shown",
    )
    return Table("levels", LEVELS, header, tuple(tuple(_level(one, tuned)) for same in found for one in same), 2)


def _level(one: Level, tuned: bool) -> list[Cell]:
    verdicts = Counter(map(verdict, one.pairs))
    rates = range_of([f"{PERCENT * rate:.0f}" for rate in one.rates]) if one.rates else DASH
    finding, pair = one.widest or (None, None)
    widest = (
        f"{pair.initializer} over {pair.other} {points(pair.accuracy, finding.digits)}" if pair and finding else DASH
    )
    return [
        Cell(one.choice.rpartition(".")[2]),
        Cell(str(one.value)),
        Cell(f"{len(one.findings):,}", len(one.findings)),
        *[Cell(estimate(one.lead, 1), one.lead.value if one.lead else None)] * tuned,
        Cell(number(one.gap, 1), one.gap),
        Cell(rates),
        Cell(f"{len(one.pairs):,}", len(one.pairs)),
        *(Cell(f"{verdicts[word]:,}", verdicts[word]) for word in PAIRS),
        Cell(
            widest,
            pair.accuracy.difference if pair else None,
            finding.ids(pair.initializer, pair.other) if pair and finding else (),
        ),
    ]


def question(summary: Summary) -> Table | None:
    """The two arms that the study was made for, in every block; None where it names none or has no runs of both."""
    comparison = summary.question
    if comparison is None:
        return None
    ours, theirs = map(escaped, comparison.arms)
    return Table(
        "question",
        f"{ours} minus {theirs}: training rates in runs, and accuracies of trained runs in points, paired by seed; the "
        "interval of equivalence is at 90 percent. The p-values are adjusted over all blocks.",
        (*summary.columns, *QUESTION),
        tuple((*labels(finding), *question_cells(finding, pair)) for finding, pair in comparison.pairs),
        len(summary.columns),
        tuple(summary.columns),
    )


HEADS = ("trained", "accuracy", "all runs", "verdict")


def question_in_short(question: Question) -> Table:
    """The question without its p-values: of each block both training rates, both differences, the verdict.

    Of a study that tunes, a block stands in one line, with each arm at its own value and with all at the shared one.
    """
    blocks: dict[str, dict[str, list[Cell]]] = {}
    for finding, pair in question.pairs:
        _, _, difference, *_, word = question_cells(finding, pair)
        rates = ", ".join(
            f"{one.trained}/{one.ended}" for name in (pair.initializer, pair.other) if (one := finding.arm(name))
        )
        of_all = f"{round(pair.of_all, finding.digits) + 0.0:+.{finding.digits}f}"
        value, name = _tuned_value(finding)
        blocks.setdefault(name, {})[value] = [
            Cell(rates, None, word.runs),
            difference if pair.seeds > 1 else Cell(DASH),
            Cell(of_all, pair.of_all, word.runs),
            word,
        ]
    values = sorted({value for cells in blocks.values() for value in cells}, reverse=True)  # tuned, then shared
    caption = (
        f"{' minus '.join(map(escaped, question.arms))}: how many runs of both trained, the difference in accuracy in "
        "points over the seeds where both did with its interval, that of the means over all runs, and the verdict."
    )
    header = [f"{value}: {head}" if value else head for value in values for head in HEADS]
    lines = tuple(
        (Cell(name), *(cell for value in values for cell in cells.get(value, [Cell(DASH)] * len(HEADS))))
        for name, cells in blocks.items()
    )
    return Table("question_in_short", caption, ("block", *header), lines)


def _tuned_value(finding: Finding) -> tuple[str, str]:
    """TUNED or SHARED, as the arms of a block have it, "" where nothing is tuned; and the name of the block without."""
    key = next((key for key, value in finding.choices.items() if value in (TUNED, SHARED)), None)
    if key is None:
        return "", finding.name or "all"
    parts = [one for one in finding.name.split("/") if one != short(key, finding.choices[key])]
    return str(finding.choices[key]), "/".join(parts) or "all"


QUESTION = (
    "trained",
    "p of rate",
    "accuracy in points",
    "p of difference",
    "90 % interval",
    "p of equivalence",
    "verdict",
)


def question_cells(finding: Finding, pair: Pair) -> list[Cell]:
    """Both training rates, the difference in accuracy, its tests, and the verdict."""
    runs, digits, accuracy = finding.ids(pair.initializer, pair.other), finding.digits, pair.accuracy
    ours, theirs = finding.arm(pair.initializer), finding.arm(pair.other)
    rates = " / ".join(f"{one.trained} of {one.ended}" for one in (ours, theirs) if one)
    close = interval_alone(accuracy.close_low, accuracy.close_high, digits)
    return [
        Cell(rates, None, runs),
        Cell(p(pair.rate.p_adjusted), pair.rate.p_adjusted, runs),
        Cell(points(accuracy, digits), accuracy.difference, runs),
        Cell(p(accuracy.p_adjusted), accuracy.p_adjusted, runs),
        Cell(close, None, runs),
        Cell(p(accuracy.equivalence_p_adjusted), accuracy.equivalence_p_adjusted, runs),
        Cell(verdict(pair), None, runs),
    ]


def runs(summary: Summary) -> Table:
    """Id, the choices that vary, outcome, test accuracy in percent, seconds, and the cause where a run failed."""
    failed = any(row.error for row in summary.rows)
    lines = [
        (Cell(row.id, None, (row.id,)), *labels(finding), Cell(name), *_end(summary, row, failed))
        for finding in summary.findings
        for name, rows in sorted({**finding.block.arms, **finding.block.control}.items())
        for row in sorted(rows, key=lambda row: (row.choices.get("seed") or 0, row.id))
    ]
    judged = {line[0].text for line in lines}
    lines += [
        (
            Cell(row.id, None, (row.id,)),
            *_labels(summary, row),
            Cell(row.choices["initializer"]),
            *_end(summary, row, failed),
        )
        for row in summary.rows
        if row.id not in judged
    ]
    return Table(
        "runs",
        RUNS,
        ("run", *summary.columns, "initializer", "seed", "outcome", "test accuracy %", "seconds", *["cause"] * failed),
        tuple({line[0].text: line for line in reversed(lines)}.values())[::-1],  # one that is shared and tuned once
        len(summary.columns) + 2,
        (*summary.columns, "initializer", "outcome"),
    )


def _labels(summary: Summary, row: Row) -> list[Cell]:
    """The choices of a run that is in no block."""
    found = (row.choices.get(column) for column in summary.columns)
    return [Cell(DASH if value is None else str(value)) for value in found]


def labels(finding: Finding) -> list[Cell]:
    """A block's choices as cells; a choice that it lacks is a dash."""
    return [Cell(DASH if value is None else str(value)) for value in finding.choices.values()]


def lost_statuses(summary: Summary) -> list[str]:
    """Of the statuses that are no result, those that some run of the study has."""
    return [status for status in (FAILED, PREEMPTED) if summary.counts[status]]


def arm_cells(finding: Finding, one: Arm, lost: list[str], rate: bool = True) -> list[Cell]:
    """Name, trained runs, runs of the `lost` statuses, training rate, accuracy, mean of all runs, first epoch."""
    first, reached, share, digits = one.first_epoch_accuracy, one.accuracy, one.rate, finding.digits
    return [
        Cell(one.name),
        Cell(f"{one.trained} of {one.ended}", one.trained, one.ids),
        *(Cell(str(one.lost[status]), one.lost[status], one.ids) for status in lost),
        *[Cell(estimate(share, 0, PERCENT), share.value if share else None, one.ids)] * rate,
        Cell(estimate(reached, digits, PERCENT), one.mean, one.ids),
        Cell(number(one.mean_of_all, digits, PERCENT), one.mean_of_all, one.ids),
        Cell(number(first, 1, PERCENT), first, one.ids),
    ]


def means(finding: Finding, arms: list[str], intervals: bool = True) -> list[Cell]:
    """The mean of each arm, and how many runs trained where not all did; a dash for an arm that the block lacks.

    Or, where its initializer does not fit the model, the word `unfit`.
    """
    found = {name: finding.arm(name) for name in arms}
    lacking = {name: Cell(UNFIT if name in finding.block.unfit else DASH) for name in arms}
    return [mean_cell(finding, one, intervals) if one else lacking[name] for name, one in found.items()]


def mean_cell(finding: Finding, one: Arm, intervals: bool = True) -> Cell:
    """The mean accuracy of the trained runs, and in brackets how many trained where not all did."""
    digits = finding.digits
    shown = estimate(one.accuracy, digits, PERCENT) if intervals else number(one.mean, digits, PERCENT)
    rate = f"({one.trained} of {one.ended})" if one.trained < one.ended else ""
    return Cell(" ".join(filter(None, [shown if one.trained or not rate else "", rate])), one.mean, one.ids)


def _verdict(finding: Finding, one: Arm) -> tuple[Cell, Cell]:
    pair = finding.pair(one.name, finding.leader.name) if finding.leader else None
    if pair is None:
        return Cell(DASH), Cell("leads" if finding.leader is one else DASH)
    runs, accuracy = finding.ids(pair.initializer, pair.other), pair.accuracy
    return Cell(points(accuracy, finding.digits), accuracy.difference, runs), Cell(verdict(pair), None, runs)


def _block(summary: Summary, finding: Finding) -> list[Cell]:
    return [
        Cell(word_of_block(finding), None, finding.ids(*finding.block.arms)),
        Cell(", ".join(summary.advised(finding).leading) or DASH),
    ]


def _end(summary: Summary, row: Row, failed: bool) -> list[Cell]:
    seed, accuracy, seconds = row.choices.get("seed"), row.measures.get("test_accuracy"), row.measures.get("seconds")
    return [
        Cell(DASH if seed is None else str(seed), seed),
        Cell(outcome(row, summary.rules)),
        Cell(number(accuracy, 2, PERCENT), accuracy),
        Cell(number(seconds, 1), seconds),
        *[Cell((row.error or {}).get("cause") or DASH)] * failed,
    ]
