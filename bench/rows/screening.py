"""Which arms of a block go on, by successive halving (Jamieson & Talwalkar 2016): from rows alone.

Screening runs are ordinary runs with seeds of their own. At each rung, a number of these seeds, the better half of the
arms goes on. The score of an arm is its mean validation accuracy, where a diverged run counts as chance; where a value
is tuned, that of its best value on the grid. The test set has no part in it.

In: rows, and how a study screens. Out: which arms go on, and why others do not. Touches: nothing.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.machine.settings import Screen
from bench.rows.tuning import score
from bench.schema import FAILED, FINAL, Row

FEWEST = 2  # arms that are left, for one has nothing to be compared with


@dataclass(frozen=True)
class Dropped:
    """Why an arm does not go on: its score over `seeds`, None where a run failed, and the lowest of one that does."""

    seeds: int
    score: float | None
    least: float | None


@dataclass(frozen=True)
class Screened:
    """kept: the arms that go on. dropped: the others. asked: the seeds of each arm. complete: no rung is left."""

    kept: tuple[str, ...]
    dropped: Mapping[str, Dropped]
    asked: Mapping[str, tuple[int, ...]]
    complete: bool


def is_screening(choices: Mapping[str, Any], screen: Screen) -> bool:
    """Whether these are the choices of a screening run."""
    return bool(screen) and choices.get("seed") in screen.seeds


def screened(
    arms: Mapping[str, Iterable[Row]],
    screen: Screen,
    key: str | None,
    values: Sequence[Any],
    always: Collection[str] = (),
) -> Screened:
    """The arms of a block that go on, as far as its screening rows tell; those `always` do, beside the better half.

    `values`: those of `key` that every arm is tried at. Raises UserError for a run without a validation accuracy.
    """
    rows = {arm: _by_run(mine, key) for arm, mine in arms.items()}
    kept, dropped, asked = sorted(arms), dict[str, Dropped](), dict.fromkeys(arms, tuple[int, ...]())
    for rung in screen.rungs:
        if len(kept) <= max(FEWEST, len({*always} & {*kept})):
            break
        seeds = screen.seeds[:rung]
        asked |= dict.fromkeys(kept, seeds)
        runs = {arm: [rows[arm].get((value, seed)) for value in values for seed in seeds] for arm in kept}
        if any(row is None for mine in runs.values() for row in mine):
            return Screened(tuple(kept), dropped, asked, complete=False)
        scores = {arm: _score(rows[arm], values, seeds) for arm in kept}
        best = sorted(kept, key=lambda arm: (-scores[arm], arm))
        better = {*best[: max(FEWEST, math.ceil(len(kept) / 2))], *always}
        least = min((scores[arm] for arm in better if scores.get(arm, -1) >= 0), default=None)
        dropped |= {
            arm: Dropped(rung, scores[arm] if scores[arm] >= 0 else None, least) for arm in kept if arm not in better
        }
        kept = [arm for arm in kept if arm in better]
    return Screened(tuple(kept), dropped, asked, complete=True)


def _by_run(rows: Iterable[Row], key: str | None) -> dict[tuple[Any, int], Row]:
    """The final rows by value and seed."""
    return {(row.choices.get(key) if key else None, row.choices["seed"]): row for row in rows if row.status in FINAL}


def _score(rows: Mapping[tuple[Any, int], Row], values: Sequence[Any], seeds: Sequence[int]) -> float:
    """The mean at the best value; -1 where a run failed, which no arm that ended is below."""
    means = defaultdict(list)
    for value in values:
        for seed in seeds:
            row = rows[value, seed]
            means[value].append(-math.inf if row.status == FAILED else score(row))
    return max(-1.0, *(math.fsum(mine) / len(mine) for mine in means.values()))
