"""Adding seeds until it is decided: at which planned look a study is, and what level its verdicts have there.

In: the looks that a study declares, and its findings. Out: a Look. Touches: nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.analysis.blocks import Block
from bench.report.statistics import sequential
from bench.schema import FINAL, Row, UserError


@dataclass(frozen=True)
class Look:
    """A look at a study whose numbers of seeds were `planned`: it is the `number`-th (from 1), or None if not planned.

    `seeds` is the smallest number that an arm has. `alpha` is the level of each family of verdicts, 0
    where none is due.
    """

    planned: tuple[int, ...]
    seeds: int
    number: int | None
    alpha: float
    sentence: str


def checked(planned: Sequence[int]) -> list[int]:
    """The plan, which may be empty; UserError unless its numbers of seeds rise from 2 on."""
    if planned and not sequential.is_plan(planned):
        raise UserError(f"looks={list(planned)} is no plan; give rising numbers of seeds from 2 on, as looks=[5,10,20]")
    return list(planned)


def look(planned: Sequence[int], blocks: Iterable[Block], alpha: float) -> Look | None:
    """The look that these blocks are at; None where none was planned. A failed run has had its seed, a preempted not.

    Raises UserError where the plan is none.
    """
    if not checked(planned):
        return None
    counts = {_seeds(rows) for block in blocks for rows in block.arms.values()}
    return _at(tuple(planned), min(counts), max(counts), alpha)


def _at(planned: tuple[int, ...], least: int, most: int, alpha: float) -> Look:
    levels = sequential.levels(planned, alpha)
    if least >= planned[-1]:
        return Look(planned, least, len(planned), levels[-1], _last(planned, least, most, levels[-1], alpha))
    if least == most and least in planned:
        number = planned.index(least) + 1
        told = _granted(levels[number - 1], alpha)
        return Look(planned, least, number, levels[number - 1], f"{_name(planned, number, least)}: {told}")
    there = f"{least} seeds" if least == most else f"{least} to {most} seeds"
    due = next(seeds for seeds in planned if seeds > least)
    plan = ", ".join(map(str, planned))
    told = f"Arms have {there}, which is no planned look ({plan}): no verdict is due before all have {due}."
    return Look(planned, least, None, 0.0, told)


def _last(planned: tuple[int, ...], least: int, most: int, level: float, alpha: float) -> str:
    told = f"{_name(planned, len(planned), planned[-1])}: {_granted(level, alpha)}"
    if most == planned[-1]:
        return told
    there = f"{least}" if least == most else f"{least} to {most}"
    more = f"Arms have {there} seeds, more than planned: if {planned[-1]} were looked at, this is one look too many."
    return f"{told} {more}"


def _name(planned: tuple[int, ...], number: int, seeds: int) -> str:
    return f"Look {number} of {len(planned)}, at {seeds} of {planned[-1]} seeds"


def _granted(level: float, alpha: float) -> str:
    return (
        f"each family of verdicts is tested at {100 * level:.2g} %, its share of the {100 * alpha:g} % that all looks "
        "spend together (Lan & DeMets, of O'Brien and Fleming's kind)."
    )


def _seeds(rows: Sequence[Row]) -> int:
    return len({row.choices.get("seed") for row in rows if row.status in FINAL})
