"""The question of a study: two arms, named before there were rows, compared in every block.

Its tests are a family of their own, one per block, so that other pairs do not cost it power.

In: the findings of all blocks. Out: a Question. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import Pair, decide

NEITHER = "neither trains"


@dataclass(frozen=True)
class Question:
    """Two arms, and their pair in each block that has a mean of both, Holm-adjusted over these blocks."""

    arms: tuple[str, str]
    pairs: tuple[tuple[Finding, Pair], ...]

    def verdicts(self) -> list[str]:
        """The verdict in each of the blocks."""
        return [pair.verdict for _, pair in self.pairs]

    def where(self, verdict: str, sign: int = 0) -> list[str]:
        """The names of the blocks with this verdict; with a sign, where the difference is not of the other sign."""
        return [finding.name for finding, pair in self.pairs if pair.verdict == verdict and sign * pair.difference >= 0]


def ask(findings: Sequence[Finding], ours: str, theirs: str) -> Question | None:
    """`ours` against `theirs` in every block; None where no block has a mean of both.

    Where both stay near chance no test is made: they are as good as each other at nothing.
    """
    found = [(finding, _untested(finding, pair)) for finding in findings if (pair := finding.pair(ours, theirs))]
    if not found:
        return None
    decided = decide([pair for _, pair in found], findings[0].alpha)
    return Question((ours, theirs), tuple(zip((finding for finding, _ in found), decided, strict=True)))


def _untested(finding: Finding, pair: Pair) -> Pair:
    """The pair without its tests where neither arm trains; elsewhere the pair as it is."""
    both = [one for one in finding.arms if one.name in (pair.initializer, pair.other)]
    if not all(finding.near_chance(one) for one in both):
        return pair
    return replace(pair, p=None, p_holm=None, equivalence_p=None, equivalence_p_holm=None, verdict=NEITHER)
