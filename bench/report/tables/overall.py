"""The initializers over all blocks: ranks, aggregates, probability of improvement, and the seeds that are needed.

In: a Summary. Out: Tables. Touches: nothing.
"""

from bench.report.analysis.overall import Aggregate
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Table
from bench.report.statistics import Estimate
from bench.report.tables.results import labels
from bench.report.wording.format import DASH, PERCENT, estimate, number

RANKS = (
    "Mean rank of each initializer over the blocks that have all of them, the best first. Two of them differ where "
    "their mean ranks lie further apart than the critical difference."
)
AGGREGATES = (
    "Each initializer over all blocks and runs, failures as they are. A score is zero at chance, which is also what a "
    "diverged run gets, and one hundred at no error: its interquartile mean, the gap to no error, and how probable it "
    "is that one of its runs beats a run of the first. Bootstrap intervals are stratified by block; the gap has none, "
    "as no mean over failures and successes has."
)
VARIANCE = (
    "Where the spread of an arm comes from, as standard deviations in points: the seed of the weights, the seed of the "
    "order of the batches, and what is left."
)
POWER = (
    "Seeds that a block needs, for one pair of arms and where all pairs are compared: to see a difference as large as "
    "the margin, to show that equal accuracies are equivalent, and to exclude the margin of the training rate where no "
    "run fails."
)


def ranks(summary: Summary) -> Table | None:
    """Mean ranks, the table to the figure called ranks; None where fewer than two blocks have every arm."""
    if summary.ranks is None:
        return None
    lines = tuple((Cell(name), Cell(number(rank, 2), rank)) for name, rank in summary.ranks.mean_ranks.items())
    return Table("mean_ranks", RANKS, ("initializer", "mean rank"), lines)


def aggregates(summary: Summary) -> Table:
    """Interquartile mean, optimality gap, and probability of improvement over the first arm, of each arm."""
    found = summary.aggregates
    first = found[0].name if found else ""
    lines = tuple(tuple(_aggregate(summary, one, summary.improvement.get((one.name, first)))) for one in found)
    header = ("initializer", "runs", "interquartile mean %", "gap to no error %", f"better than {first} %")
    return Table("aggregates", AGGREGATES, header, lines)


def variance(summary: Summary) -> Table:
    """The share of each kind of seed in the spread of an arm; no line unless they are crossed."""
    found = summary.variance
    columns = list(found[0].choices) if found else []
    lines = tuple(
        (
            *(Cell(DASH if value is None else str(value)) for value in one.choices.values()),
            Cell(one.name),
            *(Cell(str(count), count) for count in (one.initializations, one.orders)),
            *(
                Cell(number(sd, 2), sd)
                for sd in (one.sd_initialization_points, one.sd_order_points, one.sd_rest_points, one.sd_points)
            ),
        )
        for one in found
    )
    counts, spreads = ("initializations", "orders"), ("sd of initialization", "sd of order", "rest", "all")
    header = (*columns, "initializer", *counts, *spreads)
    return Table("variance", VARIANCE, header, lines, len(columns) + 1, tuple(columns))


def power(summary: Summary) -> Table:
    """The spread of paired differences in each block, and the seeds that the margin needs."""
    lines = tuple(
        (
            *labels(one.finding),
            Cell(number(one.finding.margin, one.finding.digits), one.finding.margin),
            Cell(number(one.sd_points, one.finding.digits + 1), one.sd_points),
            *(
                _seeds(getattr(seeds, name))
                for name in ("difference", "equivalence", "rate")
                for seeds in (one.one_pair, one.all_pairs)
            ),
        )
        for one in summary.power
    )
    columns = tuple(summary.columns)
    needed = tuple(f"{what}, {pairs}" for what in ("see margin", "equal", "rate") for pairs in ("one pair", "all"))
    header = (*columns, "margin in points", "sd of a difference", *needed)
    return Table("power", POWER, header, lines, len(columns), columns)


def _aggregate(summary: Summary, one: Aggregate, beats: Estimate | None) -> list[Cell]:
    runs = tuple(row.id for row in summary.rows_of(one.name))
    return [
        Cell(one.name),
        Cell(str(one.runs), one.runs, runs),
        Cell(estimate(one.iqm, 1, PERCENT), one.iqm.value, runs),
        Cell(number(one.optimality_gap.value, 1, PERCENT), one.optimality_gap.value, runs),
        Cell(estimate(beats, 0, PERCENT), beats.value if beats else None),
    ]


def _seeds(count: int | None) -> Cell:
    return Cell(DASH) if count is None else Cell(f"{count:,}", count)
