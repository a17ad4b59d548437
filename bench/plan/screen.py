"""The runs of a study that drops arms before it trains the others in full: as far as its rows tell.

In: all runs that the study would ask for, the study, its rows. Out: runs. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.machine.settings import Study
from bench.rows.screening import is_screening, screened
from bench.rows.tuning import arm_of, block_of, grid, is_control
from bench.schema import Row, Run, UserError


@dataclass(frozen=True)
class Rungs:
    """What a study asks for: screening runs, and of its runs those of arms that go on, or that half of them may."""

    runs: Sequence[Run]
    kept: Sequence[Run]
    maybe: Sequence[Run] = ()


def rungs(runs: Sequence[Run], study: Study, rows: Mapping[str, Row]) -> Rungs:
    """The runs of the study, as far as its screening rows tell. Raises UserError where it cannot screen."""
    if not study.screen:
        return Rungs([], runs)
    check(runs, study)
    without = [study.tune.key] if study.tune else []
    blocks: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        blocks[block_of(run.choices, *without)][arm_of(run.choices)].append(run)
    tried: dict[str, list[Row]] = defaultdict(list)
    for row in rows.values():
        if is_screening(row.choices, study.screen):
            tried[block_of(row.choices, *without)].append(row)
    found = [_of_block(arms, study, tried[block]) for block, arms in blocks.items()]
    return Rungs(
        [run for one in found for run in one.runs],
        [run for one in found for run in one.kept],
        [run for one in found for run in one.maybe],
    )


def check(runs: Iterable[Run], study: Study) -> None:
    """Raise UserError for too few seeds to screen by, or one that is used twice."""
    screen = study.screen
    if len(screen.seeds) < screen.rungs[-1]:
        raise UserError(
            f"study.screen.rungs asks for {screen.rungs[-1]} seeds, and study.screen.seeds has {len(screen.seeds)}"
        )
    taken = {run.choices["seed"] for run in runs} | ({*study.tune.seeds} if study.tune else set())
    if both := sorted(taken & {*screen.seeds}):
        raise UserError(
            f"seed {both[0]} is one of study.screen.seeds and of the study or its tuning: an arm kept by a seed cannot "
            "be judged by it; give study.screen.seeds others"
        )


def _of_block(arms: Mapping[str, Sequence[Run]], study: Study, rows: Iterable[Row]) -> Rungs:
    mine: dict[str, list[Row]] = {arm: [] for arm in arms if not is_control(arms[arm][0].choices)}
    for row in rows:
        if (arm := arm_of(row.choices)) in mine:
            mine[arm].append(row)
    key = study.tune.key if study.tune else None
    values: Sequence[Any] = grid(study.tune, next(iter(arms.values()))[0].choices[key]) if key else [None]
    always = [arm for arm in mine if arms[arm][0].choices["initializer"] in study.question]
    found = screened(mine, study.screen, key, values, always)
    asked = [
        replace(arms[arm][0], choices={**arms[arm][0].choices, **({key: value} if key else {}), "seed": seed})
        for arm, seeds in found.asked.items()
        for value in values
        for seed in seeds
    ]
    control = [arm for arm in arms if arm not in mine]
    going = [run for arm in [*found.kept, *control] for run in arms[arm]]
    return Rungs(asked, going) if found.complete else Rungs(asked, [], going[: len(going) // 2])
