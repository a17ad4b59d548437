"""What tuning changes: each arm at the shared value and at its own, what a search finds, the pairs whose order turns.

In: a Summary. Out: Tables. Touches: nothing.
"""

from collections.abc import Mapping
from typing import Any

from bench.report.analysis.stable import Prediction, StableRate
from bench.report.analysis.summary import Summary
from bench.report.analysis.tuning import TunedArm, Tuning, Twice
from bench.report.document import Cell, Table
from bench.report.tables.results import mean_cell
from bench.report.wording.answer import verdict
from bench.report.wording.format import DASH, PERCENT, number

TUNED = (
    "Every arm at the value that all share and at the one that its tuning runs choose on validation data: the mean "
    "test accuracy of the trained runs in percent, and how many runs trained where not all did. The basin is the span "
    "of values around the best one whose validation accuracy is within the margin of it, and its width their ratio; a "
    "plus says that it reaches an end of the grid."
)
SEARCH = (
    "What a search finds: the validation accuracy in percent of the best of some values of the grid, on average over "
    "all choices of as many."
)
FLIPS = (
    "Pairs whose order turns: the arm with the higher mean over all its runs at the shared value has the lower one "
    "where each arm has its own. Differences of these means, in points, with the verdicts on the pair."
)
STABLE = (
    "The largest stable learning rate before training, the geometric mean over draws of the weights with its interval, "
    "beside the rates of the grid at which all tuning runs trained, and the one that tuning chooses."
)


def tuned(summary: Summary) -> Table | None:
    """One line per arm and block: shared and tuned value with their results, and the basin; None without tuning."""
    found = summary.tuning
    if found is None:
        return None
    columns = _columns(found)
    header = (*columns, "initializer", "shared value", "shared %", "tuned value", "tuned %", "basin", "width")
    return Table("tuned", TUNED, header, tuple(map(_tuned, found.arms)), len(columns) + 1, (*columns, "initializer"))


def search(summary: Summary) -> Table | None:
    """One line per arm and block, one column per number of values tried; None without tuning."""
    found = summary.tuning
    if found is None:
        return None
    columns, most = _columns(found), max((len(one.expected) for one in found.arms), default=0)
    header = (*columns, "initializer", *(f"best of {count + 1}" for count in range(most)))
    lines = tuple(
        (*_labels(one.choices), Cell(one.name), *(_expected(one, place) for place in range(most))) for one in found.arms
    )
    return Table("search", SEARCH, header, lines, len(columns) + 1, (*columns, "initializer"))


def flips(summary: Summary) -> Table | None:
    """One line per pair that turns; None without tuning."""
    found = summary.tuning
    if found is None:
        return None
    columns = _columns(found)
    header = (*columns, "initializer", "other", "shared", "verdict", "tuned", "verdict when tuned")
    return Table("flips", FLIPS, header, tuple(map(_flip, found.flips)), len(columns) + 2, columns)


def stable(found: Prediction) -> Table:
    """One line per arm and block: the largest stable rate at initialization, and the rates at which it trained."""
    columns = tuple(found.arms[0].arm.choices)
    lines = tuple((*_labels(one.arm.choices), Cell(one.arm.name), *_stable(one)) for one in found.arms)
    header = (*columns, "initializer", "largest stable rate", "trained at", "tuned value")
    return Table("stable_rates", STABLE, header, lines, len(columns) + 1, (*columns, "initializer"))


def _stable(one: StableRate) -> list[Cell]:
    found = one.stable
    spread = "" if found.low is None else f" [{found.low:.2g}, {found.high:.2g}]"
    return [
        Cell(f"{found.value:.2g}{spread}", found.value),
        Cell(", ".join(f"{rate:g}" for rate in one.trained) or DASH, one.highest, one.arm.runs),
        Cell(f"{one.chosen:g}", one.chosen),
    ]


def record(found: Tuning) -> dict[str, Any]:
    """What was tuned and what that changed, for a program."""
    return {
        "key": found.tune.key,
        "seeds": list(found.tune.seeds),
        "runs": len(found.rows),
        "failed": list(found.failed),
        "arms": [
            {
                **one.choices,
                "initializer": one.name,
                "shared_value": one.shared_value,
                "value": one.value,
                "scores": [[value, one.scores[value]] for value in sorted(one.scores)],
                "expected_best": list(one.expected),
                "basin": list(one.basin) if one.basin else None,
                "on_edge": one.on_edge,
            }
            for one in found.arms
        ],
        "flips": [
            {
                **one.choices,
                "initializer": one.shared.initializer,
                "other": one.shared.other,
                "shared_points": one.shared.of_all,
                "shared_verdict": one.shared.verdict,
                "tuned_points": one.tuned.of_all,
                "tuned_verdict": one.tuned.verdict,
            }
            for one in found.flips
        ],
    }


def _tuned(one: TunedArm) -> tuple[Cell, ...]:
    spans = [f"{bound:g}" for bound in dict.fromkeys(one.basin)] if one.basin else [DASH]
    edge = " (edge)" if one.on_edge else ""
    return (
        *_labels(one.choices),
        Cell(one.name),
        Cell(f"{one.shared_value:g}", one.shared_value),
        mean_cell(one.finding, one.shared) if one.shared else Cell(DASH),
        Cell(DASH) if one.value is None else Cell(f"{one.value:g}{edge}", one.value, one.runs),
        mean_cell(one.finding, one.tuned) if one.tuned else Cell(DASH),
        Cell(" to ".join(spans), None, one.runs),
        Cell(DASH if one.width is None else f"{one.width:.3g}{'+' * one.is_cut_off}", one.width, one.runs),
    )


def _expected(one: TunedArm, place: int) -> Cell:
    if place >= len(one.expected):
        return Cell(DASH)
    return Cell(number(one.expected[place], one.finding.digits, PERCENT), one.expected[place], one.runs)


def _flip(one: Twice) -> tuple[Cell, ...]:
    both = [
        cell
        for pair in (one.shared, one.tuned)
        for cell in (Cell(f"{pair.of_all:+.{one.finding.digits}f}", pair.of_all), Cell(verdict(pair)))
    ]
    return *_labels(one.choices), Cell(one.shared.initializer), Cell(one.shared.other), *both


def _columns(found: Tuning) -> tuple[str, ...]:
    return tuple(found.arms[0].choices) if found.arms else ()


def _labels(choices: Mapping[str, Any]) -> list[Cell]:
    return [Cell(DASH if value is None else str(value)) for value in choices.values()]
