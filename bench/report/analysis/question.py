"""The question of a study: two arms, named before there were rows, compared in every block.

Its tests are a family of their own over all blocks, so that other pairs do not cost it power.

In: the findings of all blocks. Out: a Question. Touches: nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.axes import options
from bench.report.analysis.finding import Finding
from bench.report.analysis.pairs import Pair, decide


@dataclass(frozen=True)
class Question:
    """Two arms, and their pair in each block that has ended runs of both, decided over these blocks alone."""

    arms: tuple[str, ...]
    pairs: tuple[tuple[Finding, Pair], ...]

    @property
    def verdicts(self) -> list[str]:
        """The verdict in each of the blocks."""
        return [pair.verdict for _, pair in self.pairs]

    def pairs_of(self, finding: Finding) -> tuple[Pair, ...]:
        """The pairs of a block, that of its two arms as the question judges it."""
        asked = next((pair for one, pair in self.pairs if one.name == finding.name), None)
        return tuple(asked if asked and pair.names == asked.names else pair for pair in finding.pairs)


def ask(findings: Sequence[Finding], *arms: str) -> Question | None:
    """The first arm against the second in every block; None where no block has ended runs of both.

    Also None where one of these texts means no arm, or several.
    """
    meant = [arms_of(findings, one) for one in arms]
    if any(len(names) != 1 for names in meant):
        return None
    (ours,), (theirs,) = meant
    found = [(finding, pair) for finding in findings if (pair := finding.pair(ours, theirs))]
    if not found:
        return None
    decided = decide([pair for _, pair in found], findings[0].alpha)
    return Question((ours, theirs), tuple(zip((finding for finding, _ in found), decided, strict=True)))


def arms_of(findings: Sequence[Finding], text: str) -> list[str]:
    """The names of the arms that a question means: a name as reports have it, or an option with some of its arguments.

    variance_scaling(scale=2) means the arm variance_scaling(scale=2.0), and variance_scaling where all have this scale.
    """
    arms = {one.name: one for finding in findings for one in finding.arms}
    if text in arms:
        return [text]
    wanted = [option.choices("initializer").items() for option in options("initializer", text)]
    return sorted(name for name, one in arms.items() if any(each <= one.rows[0].choices.items() for each in wanted))
