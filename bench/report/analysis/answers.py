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
Asked = tuple[str, Finding, Pair]  # the name of a study, a block, and its pair


@dataclass(frozen=True, eq=False)
class Answer:
    """The pairs of a question's two arms in the blocks that share a value of a choice, whatever study they are of.

    Each pair has the verdict of its study, by the margins of that study. choice: "" where no choice varies. studies:
    the names of those that have such blocks.
    """

    arms: tuple[str, ...]
    choice: str
    value: Any
    pairs: tuple[tuple[Finding, Pair], ...]
    studies: tuple[str, ...]

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

    MARGIN: their accuracies lie within it, and no difference in training rate is shown. MIXED: one arm trains more
    often, the other is more accurate.
    """
    if pair.verdict == DIFFERENT:
        return pair.better or MIXED
    return MARGIN if pair.verdict in CLOSE or pair.rate_open else pair.verdict


def answers(summaries: Sequence[Summary]) -> list[Answer]:
    """The answers to each question, those of a question together; of studies that tune, each arm at its own value.

    Blocks of several studies are told apart by the choices that all of them have. Studies between their looks, at which
    no verdict is due, have no part in it.
    """
    found: dict[frozenset[str], list[Asked]] = defaultdict(list)
    for one in summaries:
        if one.question and one.alpha:
            tuned = {finding.name for finding in one.distinct}
            asked = [(one.name, finding, pair) for finding, pair in one.question.pairs if finding.name in tuned]
            found[frozenset(one.question.arms)] += asked
    return [each for asked in found.values() for each in _answers(asked)]


def _answers(asked: Sequence[Asked]) -> list[Answer]:
    arms = asked[0][2].initializer, asked[0][2].other
    choice = telling([finding for _, finding, _ in asked], [shown(pair) for *_, pair in asked])
    groups: dict[Any, list[Asked]] = defaultdict(list)
    for one in asked:
        groups[one[1].choices[choice] if choice else None].append(one)
    return [
        Answer(
            arms,
            choice,
            value,
            tuple((finding, pair) for _, finding, pair in mine),
            tuple(dict.fromkeys(name for name, *_ in mine)),
        )
        for value, mine in groups.items()
    ]
