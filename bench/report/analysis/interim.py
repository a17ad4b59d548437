"""Adding seeds until the study is decided: at which planned interim look it is, and the level of its verdicts there.

In: the looks that a study declares, and its blocks. Out: an InterimLook. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.analysis.blocks import Block
from bench.report.statistics import sequential
from bench.schema import FINAL, Row, UserError


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


def checked(planned: Sequence[int]) -> list[int]:
    """The plan, which may be empty; UserError unless its numbers of seeds rise from 2 on."""
    if planned and not sequential.is_plan(planned):
        raise UserError(f"looks={list(planned)} is no plan; give rising numbers of seeds from 2 on, as looks=[5,10,20]")
    return list(planned)


def interim_look(planned: Sequence[int], blocks: Iterable[Block], alpha: float) -> InterimLook | None:
    """The look that these blocks are at; None where none was planned. A failed run has used its seed, a preempted not.

    Raises UserError where the plan is not one.
    """
    if not checked(planned):
        return None
    counts = {_seeds(rows) for block in blocks for rows in block.arms.values()}
    least, most = min(counts), max(counts)
    levels = sequential.levels(planned, alpha)
    if least >= planned[-1]:
        number = len(planned)
    elif least == most and least in planned:
        number = planned.index(least) + 1
    else:
        return InterimLook(tuple(planned), least, most, None, 0.0)
    return InterimLook(tuple(planned), least, most, number, levels[number - 1])


def _seeds(rows: Sequence[Row]) -> int:
    return len({row.choices.get("seed") for row in rows if row.status in FINAL})
