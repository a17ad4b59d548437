"""Several studies side by side: what they are, what they answer, where it matters, what to take.

In: Summaries. Out: Tables, none of which has a line for a study that has nothing to say in it. Touches: nothing.
"""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from bench.report.analysis.advice import OPEN
from bench.report.analysis.answers import MARGIN, MIXED, Answer, answers
from bench.report.analysis.arms import STALLED, TRAINED
from bench.report.analysis.card import Card, by_level
from bench.report.analysis.levels import Level
from bench.report.analysis.pairs import DIFFERENT, NEITHER, UNDECIDED
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Section, Sheet, Table
from bench.report.wording.answer import margin, rate_margin, widest
from bench.report.wording.factor import levels, phrase
from bench.report.wording.format import DASH, PERCENT, estimate, listed, number
from bench.report.wording.study import price
from bench.schema import DIVERGED

ANSWERS = (
    "The answers to the questions that the studies ask, each block by the margins of its study, an arm that is tuned "
    "at its own value. Within the margin: of accuracy, by a test of equivalence. Better: trains more often or is more "
    "accurate, by a difference that is not within it. The widest difference is in accuracy, with its 95 % interval."
)
STUDIES = (
    "The studies. What matters is a difference in points of accuracy, or of training rate. The question is asked of "
    "comparisons of runs that are not the same; the minutes are those of a process, for the runs of its two arms."
)
GAPS = (
    "Where it matters: the points of the arm that tuning ranks first over the one that it ranks last, by the mean over "
    "all runs on fresh seeds, with the interval over these seeds; the gap between the best and the worst arm of the "
    "median block by the fresh runs themselves, which chance widens; the lowest training rate of an arm; and how many "
    "pairs of arms are shown to be different."
)
TAKE = (
    "What to take in all blocks of a line: the arm with the highest mean over all runs among those that no arm is "
    "shown to beat, or one that is shown to lie within the margin of it. Open: neither shown to be worse nor that. The "
    "card of a setting names them all."
)
NAMED = 4  # arms named in a cell
HEADINGS = {
    "answers": "The answers of these studies",
    "gaps": "Where the initializer matters",
    "recommended": "What to take",
}


def tables(summaries: Sequence[Summary]) -> list[Table]:
    """All of them that have a line."""
    made: tuple[Callable[[Sequence[Summary]], Table], ...] = (studies, answered, gaps, recommended)
    return [table for make in made if (table := make(summaries)).lines]


def together(summaries: Sequence[Summary]) -> Sheet:
    """What stands before the reports of several studies: their answers, where it matters, what to take."""
    shown = [table for table in tables(summaries) if table.name != "studies"]
    return Sheet(tuple(Section(HEADINGS[table.name], (table,), 2) for table in shown), pd.DataFrame(), None)


def answered(summaries: Sequence[Summary]) -> Table:
    """One line per question and value of the choice that tells most: in how many blocks what is shown."""
    header = ("question", "where", "blocks", "within the margin", "better", "undecided", "neither trains")
    lines = tuple(tuple(_answer(one)) for one in answers(summaries))
    return Table("answers", ANSWERS, (*header, "widest difference in points"), lines, 2)


def _answer(one: Answer) -> list[Cell]:
    better = [f"{name} in {one.counts[name]}" for name in (*one.arms, MIXED) if one.counts[name]]
    return [
        Cell(listed(one.arms, "or")),
        Cell(phrase(one.choice, one.value) if one.choice else "all"),
        *(Cell(f"{count:,}", count) for count in (len(one.pairs), one.counts[MARGIN])),
        Cell(listed(better) or DASH),
        *(Cell(f"{one.counts[word]:,}", one.counts[word]) for word in (UNDECIDED, NEITHER)),
        Cell(widest(one) or DASH, one.widest[1].accuracy.difference if one.widest else None),
    ]


def studies(summaries: Sequence[Summary]) -> Table:
    """One line per study: what it trains, how much of it trained, by which margins, and what its answer took."""
    header = ("study", "what it trains", "runs", "did not train", "margins", "asked", "decided", "minutes", "for each")
    return Table("studies", STUDIES, header, tuple(tuple(_study(one)) for one in summaries), 2)


def _study(summary: Summary) -> list[Cell]:
    lost = summary.counts[STALLED] + summary.counts[DIVERGED]
    found = price(summary)
    each = found.minutes / found.decided if found and found.decided else None
    return [
        Cell(summary.name),
        Cell(str(summary.about["law"])),
        Cell(f"{len(summary.rows):,}", len(summary.rows)),
        Cell(f"{PERCENT * lost / max(1, lost + summary.counts[TRAINED]):.0f} %", lost),
        Cell(f"{margin(summary.rules).replace(' points', '').replace(' point', '')} / {rate_margin(summary.rules)}"),
        *(Cell(f"{one:,}", one) for one in ([found.asked, found.decided] if found else [0, 0])),
        Cell(number(found.minutes if found else None, 0), found.minutes if found else None),
        Cell(number(each, 1), each),
    ]


def gaps(summaries: Sequence[Summary]) -> Table:
    """One line per value of the choice on which it depends most how far arms lie apart, of studies of three or more."""
    header = ("study", "where", "first over last", "gap", "lowest training rate %", "pairs", "different")
    lines = tuple((Cell(one.name), *_gap(level)) for one in summaries if len(one.arms) > 2 for level in levels(one))
    return Table("gaps", GAPS, header, lines, 2)


def _gap(one: Level) -> Iterator[Cell]:
    different = sum(pair.verdict == DIFFERENT for pair in one.pairs)
    yield Cell(phrase(one.choice, one.value))
    yield Cell(estimate(one.ranked, 1), one.ranked.value if one.ranked else None)
    yield Cell(number(one.gap, 1), one.gap)
    yield Cell(number(min(one.rates, default=None), 0, PERCENT), min(one.rates, default=None))
    yield Cell(f"{len(one.pairs):,}", len(one.pairs))
    yield Cell(f"{different:,}", different)


def recommended(summaries: Sequence[Summary]) -> Table:
    """One line per value of the choice that tells most, of studies of three arms or more: what its card takes."""
    lines = [
        (Cell(summary.name), Cell(phrase(level.choice, level.value)), *_taken(card))
        for summary in summaries
        if len(summary.arms) > 2
        for level, card in by_level(summary)
    ]
    return Table("recommended", TAKE, ("study", "where", "take", "open", "not to take"), tuple(lines), 2)


def _taken(card: Card) -> Iterator[Cell]:
    arms = sorted({arm.name for one in card.advice for arm in one.finding.arms})
    undecided = [name for name in card.allowed[1:] if card.shown(name) == OPEN]
    yield Cell(listed([name for name in card.allowed if name not in undecided], "or") or DASH)
    for names in (undecided, [name for name in arms if name not in card.allowed]):
        yield Cell((listed(names) if len(names) <= NAMED else f"{len(names)} others") or DASH)
