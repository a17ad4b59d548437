"""The initializers over all blocks: ranks, aggregates, probability of improvement, and the seeds that it takes.

In: a Study. Out: Tables. Touches: nothing.
"""

from bench.report.analysis import pairs as decisions
from bench.report.document import Cell, Table
from bench.report.paper.study import Line, Study, records
from bench.report.tables.results import labels
from bench.report.wording.format import DASH, PERCENT, interval, number

RANKS = (
    "Mean rank of each initializer over the blocks that have all of them, the best first. Two of them differ where "
    "their mean ranks lie further apart than the critical difference."
)
AGGREGATES = (
    "Each initializer over all blocks. A score is zero at chance, which is also what a diverged run gets, and one "
    "hundred at no error: its interquartile mean, the gap to no error, and how probable it is that one of its runs "
    "beats a run of the first, with bootstrap intervals stratified by block."
)
VARIANCE = (
    "Where the spread of an arm comes from, as standard deviations in points: the seed of the weights, the seed of the "
    "order of the batches, and what is left."
)
POWER = (
    "Seeds that a block needs to see a difference as large as the margin: for a single comparison, and for the first "
    "step of the Holm procedure over all pairs of the block."
)


def ranks(study: Study) -> Table | None:
    """Mean ranks, the table to the figure called ranks; None where fewer than two blocks have every arm."""
    found = study.summary.ranks
    if found is None:
        return None
    lines = [
        (Cell(one["initializer"]), Cell(number(one["mean_rank"], 2), one["mean_rank"])) for one in records(found.table)
    ]
    return Table(f"mean_ranks{study.suffix}", RANKS, ("initializer", "mean rank"), tuple(lines))


def aggregates(study: Study) -> Table:
    """Interquartile mean, optimality gap, and probability of improvement over the first arm, of each arm."""
    found = records(study.summary.aggregates)
    first = found[0]["initializer"] if found else ""
    beats = {one["initializer"]: one for one in records(study.summary.improvement) if one["other"] == first}
    lines = [
        (
            Cell(one["initializer"]),
            Cell(str(one["runs"]), one["runs"], study.all_runs(one["initializer"])),
            _share(study, one, "iqm"),
            _share(study, one, "optimality_gap"),
            _beats(beats.get(one["initializer"])),
        )
        for one in found
    ]
    header = ("initializer", "runs", "interquartile mean %", "gap to no error %", f"better than {first} %")
    return Table(f"aggregates{study.suffix}", AGGREGATES, header, tuple(lines))


def variance(study: Study) -> Table:
    """The share of each kind of seed in the spread of an arm; no line unless they are crossed."""
    keys = ("sd_initialization_points", "sd_order_points", "sd_rest_points", "sd_points")
    frame = study.summary.variance
    columns = [str(column) for column in frame.columns[: frame.columns.get_loc("initializer")]]
    lines = [
        (
            *(Cell(DASH if one[column] is None else str(one[column])) for column in columns),
            Cell(one["initializer"]),
            *(Cell(str(one[key]), one[key]) for key in ("initializations", "orders")),
            *(Cell(number(one[key], 2), one[key]) for key in keys),
        )
        for one in records(frame)
    ]
    header = (
        *columns,
        "initializer",
        "initializations",
        "orders",
        "sd of initialization",
        "sd of order",
        "rest",
        "all",
    )
    return Table(f"variance{study.suffix}", VARIANCE, header, tuple(lines), len(columns) + 1, tuple(columns))


def power(study: Study) -> Table:
    """The spread of paired differences in each block, and the seeds that the margin needs."""
    lines = []
    for one in records(study.summary.power):
        block, digits = one["name"], decisions.digits(one["margin_points"])
        lines.append(
            (
                *labels(study, block),
                Cell(number(one["margin_points"], digits), one["margin_points"]),
                Cell(number(one["sd_points"], digits + 1), one["sd_points"]),
                *(_seeds(one[key]) for key in ("seeds_for_margin", "seeds_for_family")),
            )
        )
    header = (*study.columns, "margin in points", "sd of a difference", "seeds for one pair", "seeds for all pairs")
    return Table(f"power{study.suffix}", POWER, header, tuple(lines), len(study.columns), tuple(study.columns))


def _share(study: Study, line: Line, key: str) -> Cell:
    return Cell(interval(line, key, key, 1, PERCENT), line[key], study.all_runs(line["initializer"]))


def _beats(line: Line | None) -> Cell:
    if line is None:
        return Cell(DASH)
    low, high = (number(line[key], 0, PERCENT) for key in ("low", "high"))
    return Cell(f"{number(line['probability'], 0, PERCENT)} [{low}, {high}]", line["probability"])


def _seeds(count: float | None) -> Cell:
    return Cell(DASH) if count is None else Cell(f"{count:,.0f}", count)
