"""Several studies side by side: what they are, what they answer, where it matters, what to take.

In: Summaries. Out: Tables, and a Sheet of them. Touches: nothing.
"""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from bench.report.analysis.advice import OPEN
from bench.report.analysis.answers import MARGIN, MIXED, Answer, answers, comparable
from bench.report.analysis.arms import STALLED, TRAINED
from bench.report.analysis.card import Card, by_level
from bench.report.analysis.levels import Level, of_study
from bench.report.analysis.pairs import DIFFERENT, NEITHER, UNDECIDED
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Section, Sheet, Table
from bench.report.wording.answer import margin, rate_margin, widest
from bench.report.wording.factor import phrase, range_of_points
from bench.report.wording.format import DASH, PERCENT, estimate, few, listed, number
from bench.report.wording.study import price
from bench.schema import DIVERGED

STUDIES = (
    "The studies: all their runs, those that tune and the control's too, and the share of them that did not train; "
    "the differences that matter; of the comparisons that their question asks for, of runs that are not the same, how "
    "many are decided; and the minutes of a process that the runs of its two arms took, in all and for each decided "
    "one."
)
ANSWERS = (
    "The answers to the questions that the studies ask, each block by the margins of its study, an arm that is tuned "
    "at its own value. Within the margin: of accuracy, by a test of equivalence. Better: trains more often or is more "
    "accurate, by a difference that is not within it. The widest difference in accuracy is chosen for its size; its "
    "95 % interval is not adjusted for that."
)
LEADS = (
    "Where it matters: the points by which the arm that tuning ranks first leads the one that it ranks last, over all "
    "runs on fresh seeds, in the mean of the blocks with the interval over these seeds, and in single blocks; the "
    "lowest training rate of an arm; and how many pairs of arms are shown to be different. Arms that some block lacks "
    "are ranked nowhere."
)
GAPS = (
    "Where it matters: the points between the best and the worst arm by the mean over all runs, in the median block "
    "and in single blocks, which chance widens; the lowest training rate of an arm; and how many pairs of arms are "
    "shown to be different."
)
TAKE = (
    "What to take in all blocks of a line, of the arms that no arm is shown to beat and that have at least half as "
    "many runs as any: the one with the highest mean over all runs, or one that is shown to lie within the margin of "
    "it. Open: neither shown to be worse nor that."
)
FEW = 4  # arms named as open
HEADINGS = {
    "answers": "The answers of these studies",
    "leads": "Where the initializer matters",
    "recommended": "What to take",
}


def tables(summaries: Sequence[Summary]) -> list[Table]:
    """All of them that have a line."""
    made: tuple[Callable[[Sequence[Summary]], Table], ...] = (answered, leads, recommended)
    compared = comparable(summaries)
    return [studies(summaries), *(table for make in made if (table := make(compared)).lines)]


def together(summaries: Sequence[Summary]) -> Sheet:
    """What stands before the reports of several studies: their answers, where it matters, what to take."""
    shown = [table for table in tables(summaries) if table.name in HEADINGS]
    return Sheet(tuple(Section(HEADINGS[table.name], (table,), 2) for table in shown), pd.DataFrame(), None)


def studies(summaries: Sequence[Summary]) -> Table:
    """One line per study: what it trains, how much of it trained, what matters, and what its answer took."""
    header = ("study", "what it trains", "runs", "did not train", "margins", "asked", "decided", "minutes", "for each")
    return Table("studies", STUDIES, header, tuple(tuple(_study(one)) for one in summaries), 2)


def _study(summary: Summary) -> Iterator[Cell]:
    lost = summary.counts[STALLED] + summary.counts[DIVERGED]
    share = lost / max(1, lost + summary.counts[TRAINED])
    found = price(summary)
    each = found.minutes / found.decided if found and found.decided else None
    yield Cell(summary.name)
    yield Cell(str(summary.about["law"]))
    yield Cell(f"{len(summary.rows):,}", len(summary.rows))
    yield Cell(number(share, 0, PERCENT) + " %", share)
    yield Cell(f"{margin(summary.rules)}, {rate_margin(summary.rules)} of rate")
    for count in (found.asked, found.decided) if found else (None, None):
        yield Cell(DASH if count is None else f"{count:,}", count)
    yield Cell(number(found.minutes if found else None, 0), found.minutes if found else None)
    yield Cell(number(each, 1), each)


def answered(summaries: Sequence[Summary]) -> Table:
    """One line per question and value of the choice that tells its answer best: in how many blocks what is shown."""
    header = ("question", "where", "blocks", "within the margin", "better", "undecided", "neither trains")
    lines = tuple(tuple(_answer(one)) for one in answers(summaries))
    return Table("answers", ANSWERS, (*header, "widest difference in points"), lines, 2)


def _answer(one: Answer) -> Iterator[Cell]:
    better = [f"{name} in {one.counts[name]}" for name in (*one.arms, MIXED) if one.counts[name]]
    yield Cell(listed(one.arms, "or"))
    yield Cell(phrase(one.choice, one.value) if one.choice else "all")
    yield Cell(f"{len(one.pairs):,}", len(one.pairs))
    yield Cell(f"{one.counts[MARGIN]:,}", one.counts[MARGIN])
    yield Cell(listed(better) or DASH)
    for word in (UNDECIDED, NEITHER):
        yield Cell(f"{one.counts[word]:,}", one.counts[word])
    yield Cell(widest(one) or DASH, one.widest[1].accuracy.difference if one.widest else None)


def leads(summaries: Sequence[Summary]) -> Table:
    """One line per study of three arms or more and value of the choice on which it depends most how far they lie apart.

    Of studies that tune, the lead of the arm that tuning ranks first; of others, the gap between their best and worst.
    """
    tuned = any(one.tuning for one in summaries)
    lines = [(Cell(one.name), *_lead(level, tuned)) for one in _due(summaries) for level in of_study(one)]
    header = ("study", "where", "lead" if tuned else "gap", "single blocks", "lowest training rate %", "pairs")
    return Table("leads", LEADS if tuned else GAPS, (*header, "different"), tuple(lines), 2)


def _due(summaries: Sequence[Summary]) -> list[Summary]:
    """The studies of three arms or more of which a verdict is due."""
    return [one for one in summaries if one.alpha and len(one.arms) > 2]


def _lead(one: Level, tuned: bool) -> Iterator[Cell]:
    different = sum(pair.verdict == DIFFERENT for pair in one.pairs)
    yield Cell(phrase(one.choice, one.value))
    if tuned:
        yield Cell(estimate(one.lead, 1), one.lead.value if one.lead else None)
    else:
        yield Cell(number(one.gap, 1), one.gap)
    yield Cell(range_of_points(one.leads if tuned else one.gaps))
    yield Cell(number(min(one.rates, default=None), 0, PERCENT), min(one.rates, default=None))
    yield Cell(f"{len(one.pairs):,}", len(one.pairs))
    yield Cell(f"{different:,}", different)


def recommended(summaries: Sequence[Summary]) -> Table:
    """One line per study of three arms or more and value of that choice: what its card takes."""
    lines = [
        (Cell(one.name), Cell(phrase(level.choice, level.value)), *_taken(card))
        for one in _due(summaries)
        for level, card in by_level(one)
    ]
    return Table("recommended", TAKE, ("study", "where", "take", "open", "not to take"), tuple(lines), 2)


def _taken(card: Card) -> Iterator[Cell]:
    arms = sorted({arm.name for one in card.advice for arm in one.finding.arms})
    undecided = [name for name in card.allowed[1:] if card.shown(name) == OPEN]
    yield Cell(listed([name for name in card.allowed if name not in undecided], "or") or DASH)
    yield Cell((few(undecided) if len(undecided) <= FEW else f"{len(undecided)} others") or DASH)
    yield Cell(few([name for name in arms if name not in card.allowed]) or DASH)
