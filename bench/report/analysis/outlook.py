"""What a planned study can decide, before it has rows: the seeds and the spread that its margins allow.

In: the choices of planned runs, the rules of their study. Out: an Outlook. Touches: nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.report.analysis.blocks import blocks, compared
from bench.report.analysis.interim import interim_look, seeds_of
from bench.report.analysis.power import POWER
from bench.report.analysis.rules import ALPHA, ENOUGH, Rules
from bench.report.statistics.power import largest_spread, seeds_for_rate
from bench.rows.tuning import SHARED, TUNED, is_control
from bench.schema import OK, Row


@dataclass(frozen=True)
class Needs:
    """What decides the margins of a study, for one pair of arms or for all.

    spread_points: the largest standard deviation of a paired difference, in points, at which the planned seeds decide
    with probability POWER; None where they decide no accuracy or the margin is a share. rate_seeds: the seeds that
    exclude a difference of the margin in training rate where no run fails.
    """

    spread_points: float | None
    rate_seeds: int


@dataclass(frozen=True)
class Outlook:
    """What a plan with `seeds` for each arm can decide. level: of its verdicts, 0 where none is due at this number."""

    seeds: int
    blocks: int
    pairs: int
    level: float
    one_pair: Needs
    all_pairs: Needs


def outlook(planned: Iterable[Mapping[str, Any]], rules: Rules) -> Outlook | None:
    """The outlook of runs by their choices, as if all had ended; None where no block has two arms.

    A study that tunes compares its arms twice, at the shared value and at their own.
    """
    labels = [{rules.tune.key: word} for word in (SHARED, TUNED)] if rules.tune else [{}]
    rows = [Row("", "", OK, {**one, **label}) for one in planned if not is_control(one) for label in labels]
    found = [block for block in blocks(rows) if len(block.arms) > 1]
    if not found:
        return None
    look = interim_look(rules.looks, found, ALPHA)
    seeds, level = min(seeds_of(mine) for block in found for mine in block.arms.values()), look.alpha if look else ALPHA
    pairs = len(compared(found))
    needs = (_needs(seeds, (level or ALPHA) / len(found) / families, rules) for families in (1, pairs))
    return Outlook(seeds, len(found), pairs, level, *needs)


def _needs(seeds: int, level: float, rules: Rules) -> Needs:
    """At the level of the first step of Holm's procedure."""
    points = rules.margin.points if seeds >= ENOUGH else None
    return Needs(
        largest_spread(points, seeds, level, POWER) if points else None, seeds_for_rate(rules.rate_margin, level)
    )
