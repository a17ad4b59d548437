"""Interim looks while seeds are added: the planned look that a study is at, and the level of its verdicts there.

In: the looks that a study declares, and its blocks. Out: an InterimLook. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.analysis.blocks import Block
from bench.report.statistics import sequential
from bench.schema import FINAL, Row


@dataclass(frozen=True)
class InterimLook:
    """Where a study stands among the numbers of seeds at which it was `planned` to be looked at.

    `number` counts the looks from 1 and is None between them. `seeds` is the smallest number of seeds that an arm has,
    `most` the largest. `alpha` is the level of each family of verdicts, 0 where none is due.
    """

    planned: tuple[int, ...]
    seeds: int
    most: int
    number: int | None
    alpha: float


def interim_look(planned: Sequence[int], blocks: Iterable[Block], alpha: float) -> InterimLook | None:
    """The look that these blocks are at; None where none was planned. A failed run has used its seed, a preempted not.

    Raises ValueError unless the planned numbers of seeds rise from 2 on.
    """
    if not planned:
        return None
    counts = {seeds_of(rows) for block in blocks for rows in block.arms.values()}
    least, most = min(counts), max(counts)
    levels = sequential.levels(planned, alpha)
    if least >= planned[-1]:
        number = len(planned)
    elif least == most and least in planned:
        number = planned.index(least) + 1
    else:
        return InterimLook(tuple(planned), least, most, None, 0.0)
    return InterimLook(tuple(planned), least, most, number, levels[number - 1])


def seeds_of(rows: Sequence[Row]) -> int:
    """The number of seeds that the runs of an arm have used."""
    return len({row.choices.get("seed") for row in rows if row.status in FINAL})
