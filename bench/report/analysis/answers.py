"""What studies say together of the questions that they ask: an answer for each value of the choice that tells it best.

In: Summaries. Out: Answers. Touches: nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.report.analysis.finding import Finding
from bench.report.analysis.levels import telling
from bench.report.analysis.pairs import CLOSE, DIFFERENT, Pair
from bench.report.analysis.summary import Summary

MARGIN, MIXED = "within the margin", "neither is the better one"


@dataclass(frozen=True, eq=False)
class Answer:
    """The pairs of a question's two arms in the blocks that share a value of a choice, whatever study they are of.

    Each pair has the verdict of its study, by the margins of that study. choice: "" where none tells it.
    """

    arms: tuple[str, ...]
    choice: str
    value: Any
    pairs: tuple[tuple[Finding, Pair], ...]

    @property
    def counts(self) -> Counter[str]:
        """In how many blocks which of the words of `shown` holds."""
        return Counter(shown(pair) for _, pair in self.pairs)

    @cached_property
    def widest(self) -> tuple[Finding, Pair] | None:
        """The pair that lies widest apart in accuracy, seen from the more accurate arm; None without any difference."""
        known = [
            (one, pair if pair.accuracy.sign >= 0 else pair.turned())
            for one, pair in self.pairs
            if pair.accuracy.difference is not None
        ]
        return max(known, key=lambda one: one[1].accuracy.difference or 0.0, default=None)


def shown(pair: Pair) -> str:
    """What is shown of a pair: the better arm, MARGIN, MIXED, or the verdict that it is undecided or neither trains.

    MARGIN: their accuracies lie within it, and no difference in training rate beyond its own margin is shown. MIXED: a
    difference is shown, and neither arm is better.
    """
    if pair.verdict == DIFFERENT:
        return pair.better or MIXED
    return MARGIN if pair.verdict in CLOSE or pair.rate_open else pair.verdict


def comparable(summaries: Sequence[Summary]) -> Sequence[Summary]:
    """The studies that tune, where some do, for others compare arms at a rate that suits some; else all of them."""
    return [one for one in summaries if one.tuning] or summaries


def answers(summaries: Sequence[Summary]) -> list[Answer]:
    """The answers to each question by comparable studies; of those that tune, each arm at its own value.

    Blocks of several studies are told apart by the choices that all of them have. Studies between their looks, at which
    no verdict is due, have no part in it.
    """
    found: dict[frozenset[str], list[tuple[Finding, Pair]]] = defaultdict(list)
    for one in comparable(summaries):
        if one.question and one.alpha:
            names = {finding.name for finding in one.distinct}
            found[frozenset(one.question.arms)] += [each for each in one.question.pairs if each[0].name in names]
    return [each for pairs in found.values() if pairs for each in _answers(pairs)]


def _answers(pairs: Sequence[tuple[Finding, Pair]]) -> list[Answer]:
    arms = pairs[0][1].initializer, pairs[0][1].other
    choice = telling([finding for finding, _ in pairs], [shown(pair) for _, pair in pairs])
    groups: dict[str, list[tuple[Finding, Pair]]] = defaultdict(list)
    for one in pairs:
        groups[repr(one[0].choices.get(choice))].append(one)
    return [Answer(arms, choice, same[0][0].choices.get(choice), tuple(same)) for same in groups.values()]
