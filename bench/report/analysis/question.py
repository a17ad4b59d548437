"""The question of a study: two arms, named before there were rows, compared in every block.

Its tests are a family of their own, one per block, so that what was asked is not paid for by what was not.

In: the findings of all blocks. Out: a Question. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.report.analysis import pairs as decisions
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import DIFFERENT, EQUIVALENT, UNDECIDED, Pair
from bench.report.wording.answer import names

NEITHER = "neither trains"


@dataclass(frozen=True)
class Question:
    """Two arms, their pair in each block that has both (Holm over these blocks), and the answer."""

    arms: tuple[str, str]
    blocks: list[str]
    pairs: list[Pair]
    answer: str


def ask(findings: Sequence[Finding], ours: str, theirs: str) -> Question | None:
    """`ours` against `theirs` in every block; None where no block has a mean of both.

    Where both stay near chance they are as good as each other at nothing: no test is made there.
    """
    found = [
        (
            name,
            replace(pair, p=None, p_holm=None, equivalence_p=None, equivalence_p_holm=None, verdict=NEITHER)
            if _idle(finding, pair)
            else pair,
        )
        for finding, name in zip(findings, names(findings), strict=True)
        for pair in decisions.seen_from(ours, finding.pairs)
        if pair.other == theirs
    ]
    if not found:
        return None
    blocks = [name for name, _ in found]
    pairs = decisions.decide([pair for _, pair in found], findings[0].alpha)
    return Question((ours, theirs), blocks, pairs, _answer(ours, theirs, blocks, pairs, len(findings)))


def _idle(finding: Finding, pair: Pair) -> bool:
    lines = [line for line in finding.lines if line.initializer in (pair.initializer, pair.other)]
    return all(finding.near_chance(line) for line in lines)


def _answer(ours: str, theirs: str, blocks: Sequence[str], pairs: Sequence[Pair], total: int) -> str:
    wins = {ours: _where(blocks, pairs, DIFFERENT, 1), theirs: _where(blocks, pairs, DIFFERENT, -1)}
    told = [f"{arm} is better in {_listed(won)}" for arm, won in wins.items()]
    told.append(f"they are equivalent in {_listed(_where(blocks, pairs, EQUIVALENT))}")
    told.append(f"undecided in {_listed(_where(blocks, pairs, UNDECIDED))}")
    if idle := _where(blocks, pairs, NEITHER):
        told.append(f"neither trains in {_listed(idle)}")
    if total > len(blocks):
        told.append(f"one of them has no mean in {total - len(blocks)}")
    return f"{ours} or {theirs}? Of {total} block{'s' * (total > 1)}, {'; '.join(told)}."


def _where(blocks: Sequence[str], pairs: Sequence[Pair], verdict: str, sign: int = 0) -> list[str]:
    return [
        block
        for block, pair in zip(blocks, pairs, strict=True)
        if pair.verdict == verdict and sign * (pair.difference_points or 0.0) >= 0
    ]


def _listed(where: Sequence[str]) -> str:
    inside = f" ({'; '.join(where)})" if any(where) else ""
    return f"{len(where) or 'none'}{inside}"
