"""Which value the tuning runs of a study choose for each of its arms, such as a learning rate: from rows alone.

Tuning runs are ordinary runs with seeds of their own. The score of a value is the mean over these seeds of the last
validation accuracy, where a diverged run counts as chance; the test set has no part in it. Where an arm of a block is
best at an edge of the grid, the grid of all arms of the block grows by one step there.

In: rows, and how a study tunes. Out: choices, and rows that say whether they are tuned. Touches: nothing.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from bench import catalogue
from bench.bounds import checked
from bench.machine.settings import Study, Tune
from bench.schema import DIVERGED, FAILED, FINAL, OK, Row, UserError

TUNED, SHARED = "tuned", "shared"  # what stands for the value in a final run, so that its block has one
FACTORS = (1 / 16, 1 / 4, 1, 4, 16)  # of a grid that is built around the shared value
DIGITS = 6  # of a value that is computed
SCORED = 12  # decimals of a score
CONTROL = "again"  # the initializer of a hidden A/A arm: it has the values of its twin, or the two would differ


@dataclass(frozen=True)
class Choice:
    """What the tuning runs of a block choose.

    shared: the value without tuning. grid: all values tried, as far as the rows tell. complete: whether every arm has a
    final row for each of them and the grid grows no more. scores: by arm, the score of each value of the grid. values:
    by arm, the chosen value. failed: by arm without one, the row of a tuning run that failed. edges: the arms whose
    best value still lies on an edge.
    """

    shared: float
    grid: tuple[float, ...]
    complete: bool
    scores: Mapping[str, Mapping[float, float]]
    values: Mapping[str, float]
    failed: Mapping[str, Row]
    edges: tuple[str, ...]


def tune_of(study: Study) -> Tune | None:
    """How a study tunes, with the shared value where its axes have one; None where it tunes nothing."""
    tune = study.tune
    if not tune:
        return None
    axis = study.axes.get(tune.key)
    return replace(tune, shared=checked(tune.key, axis, float)) if tune.shared is None and axis is not None else tune


def shared_value(tune: Tune, choices: Mapping[str, Any]) -> float:
    """The value of a run of these choices that is not tuned: the declared one, or that of conf/.

    Raises UserError where neither has it.
    """
    if tune.shared is not None:
        return tune.shared
    word, _, argument = tune.key.partition(".")
    option = _options(word if argument else "task").get(str(choices.get(word if argument else "task")), {})
    if not isinstance(found := option.get(argument or word), float):
        raise UserError(f"conf/ has no {tune.key} for these runs; give study.tune.shared the value of untuned runs")
    return found


@cache
def _options(word: str) -> dict[str, dict[str, Any]]:
    return catalogue.options(word)


def grid(tune: Tune, shared: float) -> tuple[float, ...]:
    """The grid before it grows. Raises UserError unless it has two values and the shared one among them."""
    declared = [_rounded(shared * factor) for factor in FACTORS] if isinstance(tune.values, str) else tune.values
    values = tuple(declared)
    if len(values) < 2 or shared not in values:
        raise UserError(
            f"study.tune.values takes two values or more, and the shared {tune.key} {shared:g} among them, so that "
            f"tuning can keep it; not {', '.join(f'{value:g}' for value in values)}"
        )
    return values


def is_tuning(choices: Mapping[str, Any], tune: Tune) -> bool:
    """Whether these are the choices of a tuning run."""
    return bool(tune) and choices.get("seed") in tune.seeds


def block_of(choices: Mapping[str, Any], *without: str) -> str:
    """The choices that all runs of a block have: all but the initializer, the seed and those `without`."""
    rest = {key: value for key, value in choices.items() if key not in ("seed", *without) and not _of_arm(key)}
    return json.dumps(rest, sort_keys=True)


def arm_of(choices: Mapping[str, Any]) -> str:
    """The initializer with its arguments."""
    return json.dumps({key: value for key, value in choices.items() if _of_arm(key)}, sort_keys=True)


def is_control(choices: Mapping[str, Any]) -> bool:
    """Whether this is a run of the hidden A/A arm, which is not tuned."""
    return choices.get("initializer") == CONTROL


def choices(rows: Iterable[Row], tune: Tune) -> dict[str, Choice]:
    """What the tuning rows choose in each block that has some; its arms are those that have some."""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if is_tuning(row.choices, tune):
            found[block_of(row.choices, tune.key)][arm_of(row.choices)].append(row)
    firsts = {block: next(iter(arms.values()))[0].choices for block, arms in found.items()}
    return {block: choice(arms, tune, shared_value(tune, firsts[block])) for block, arms in found.items()}


def choice(arms: Mapping[str, Sequence[Row]], tune: Tune, shared: float) -> Choice:
    """What the tuning rows of one block choose for its arms; an arm without rows has an empty list.

    Raises UserError for a run without a validation accuracy.
    """
    values, grown = list(grid(tune, shared)), [0, 0]
    rows = {arm: _by_value(mine, tune) for arm, mine in arms.items()}
    while True:
        failed = {arm: row for arm, mine in rows.items() if (row := _failed(mine, values))}
        scores = {arm: _scores(mine, values, tune) for arm, mine in rows.items() if arm not in failed}
        best = {arm: _best(mine, shared) for arm, mine in scores.items() if len(mine) == len(values)}
        complete = all(_ended(mine, values, tune) for mine in rows.values())
        on_edge = [[arm for arm in best if best[arm] == values[end]] for end in (0, -1)]
        growing = [end for end in (0, 1) if on_edge[end] and grown[end] < tune.extend]
        if not complete or not growing:
            chosen = best if complete else {}
            edges = tuple(sorted({*on_edge[0], *on_edge[1]})) if complete else ()
            return Choice(shared, tuple(values), complete, scores, chosen, failed, edges)
        for end in growing:
            grown[end] += 1
            values = (
                [_beyond(values[0], values[1]), *values] if end == 0 else [*values, _beyond(values[-1], values[-2])]
            )


def labelled(rows: Iterable[Row], tune: Tune) -> list[Row]:
    """The final rows with TUNED or SHARED in place of their value: both, one after the other, where it is both.

    A final row with neither value is left out. Raises UserError as `choice` does.
    """
    rows = list(rows)
    found = choices(rows, tune)
    final = [row for row in rows if not is_tuning(row.choices, tune)]
    return [
        replace(row, choices={**row.choices, tune.key: word})
        for row in final
        for word in words(row.choices, tune, found.get(block_of(row.choices, tune.key)))
    ]


def words(choices: Mapping[str, Any], tune: Tune, chosen: Choice | None) -> list[str]:
    """What the value of a final run is: SHARED, TUNED, both, or nothing that the study asks for."""
    value = choices.get(tune.key)
    best = chosen.values.get(arm_of(choices)) if chosen else None
    return [SHARED] * (value == shared_value(tune, choices)) + [TUNED] * (value == best)


def _by_value(rows: Iterable[Row], tune: Tune) -> dict[float, dict[int, Row]]:
    """The final rows by value and seed."""
    found: dict[float, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        if row.status in FINAL:
            found[row.choices[tune.key]][row.choices["seed"]] = row
    return found


def _failed(rows: Mapping[float, Mapping[int, Row]], values: Iterable[float]) -> Row | None:
    mine = (row for value in values for row in rows.get(value, {}).values())
    return next((row for row in mine if row.status == FAILED), None)


def _ended(rows: Mapping[float, Mapping[int, Row]], values: Iterable[float], tune: Tune) -> bool:
    return all(len(rows.get(value, {})) == len(tune.seeds) for value in values)


def _scores(rows: Mapping[float, Mapping[int, Row]], values: Iterable[float], tune: Tune) -> dict[float, float]:
    """The score of each value that has a row for every seed, rounded: equal counts of images are equal scores."""
    whole = [value for value in values if len(rows.get(value, {})) == len(tune.seeds)]
    return {value: round(math.fsum(map(score, rows[value].values())) / len(tune.seeds), SCORED) for value in whole}


def score(row: Row) -> float:
    """The last validation accuracy; chance for a diverged run."""
    if row.status == DIVERGED:
        classes = row.environment.get("classes")
        return 1 / classes if classes else 0.0
    found = row.measures.get("validation_accuracy")
    if row.status != OK or found is None:
        raise UserError(
            f"run {row.id} has no validation accuracy, which tuning and screening go by; they take task=train"
        )
    return found


def _best(scores: Mapping[float, float], shared: float) -> float:
    """The value of the highest score; of several the one nearest to the shared value, then the smallest."""
    return max(scores, key=lambda value: (scores[value], -round(abs(math.log(value / shared)), DIGITS), -value))


def _beyond(edge: float, inner: float) -> float:
    return _rounded(edge * edge / inner)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _of_arm(key: str) -> bool:
    return key.partition(".")[0] == "initializer"
