"""Which arms a figure has room for, and how each is drawn: the same in every figure of a study.

In: findings, and names of arms. Out: names, and an ArmStyle for each. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from bench.report.analysis.arms import STALLED, TRAINED, Arm
from bench.report.analysis.finding import Finding
from bench.report.wording.format import counted, left_out
from bench.schema import DIVERGED

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")  # Okabe and Ito 2008, no yellow
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES = ((0, ()), (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (2, 1)))


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn. Neighbours in the list differ in all three, so that grey print tells them apart."""

    colour: str
    marker: str
    dash: Any

    def inside(self, one: Arm) -> str:
        """The colour within a mark of the arm: none where some of its runs did not train."""
        return self.colour if one.trained == one.ended else "white"


def arms_of(findings: Iterable[Finding]) -> list[str]:
    """Every arm of the findings, sorted."""
    return sorted({one.name for finding in findings for one in finding.arms})


def best_arms(findings: Sequence[Finding], most: int) -> list[str]:
    """At most `most` arms, sorted by name: those that stand highest in their blocks on average."""
    ranks: dict[str, list[int]] = defaultdict(list)
    for finding in findings:
        for rank, one in enumerate(finding.arms):
            ranks[one.name].append(rank)
    return sorted(sorted(ranks, key=lambda name: (sum(ranks[name]) / len(ranks[name]), name))[:most])


def left_out_of(shown: Sized, drawable: Sized, arms: Sized, findings: Iterable[Finding]) -> str:
    """The blocks and the arms for which panels have no room, in a sentence each; nothing where they show all."""
    return left_out(len(shown), len(drawable), "block", "the first ones") + left_out(
        len(arms), len(arms_of(findings)), "arm", "those that stand highest on average"
    )


def outcomes(one: Arm) -> str:
    """How the runs of an arm ended: `7 of 10 runs trained, 2 stalled, 1 diverged`."""
    others = [f"{count} {word}" for count, word in ((one.stalled, STALLED), (one.diverged, DIVERGED)) if count]
    return ", ".join([f"{one.trained} of {counted(one.ended, 'run')} {TRAINED}", *others])


def arm_styles(names: Iterable[str]) -> dict[str, ArmStyle]:
    """A style for each arm, by its place among all arms of the study."""
    return {
        name: ArmStyle(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], DASHES[i % len(DASHES)])
        for i, name in enumerate(names)
    }
