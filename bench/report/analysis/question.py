"""The question of a study: two arms, named before there were rows, compared in every block.

Its tests are a family of their own over all blocks, so that other pairs do not cost it power.

In: the findings of all blocks. Out: a Question. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import Pair, decide


@dataclass(frozen=True)
class Question:
    """Two arms, and their pair in each block that has ended runs of both, decided over these blocks alone."""

    arms: tuple[str, str]
    pairs: tuple[tuple[Finding, Pair], ...]

    @property
    def verdicts(self) -> list[str]:
        """The verdict in each of the blocks."""
        return [pair.verdict for _, pair in self.pairs]


def ask(findings: Sequence[Finding], ours: str, theirs: str) -> Question | None:
    """`ours` against `theirs` in every block; None where no block has ended runs of both."""
    found = [(finding, pair) for finding in findings if (pair := finding.pair(ours, theirs))]
    if not found:
        return None
    decided = decide([pair for _, pair in found], findings[0].alpha)
    return Question((ours, theirs), tuple(zip((finding for finding, _ in found), decided, strict=True)))
