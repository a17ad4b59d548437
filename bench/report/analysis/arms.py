"""An arm in a block: how many of its runs trained, and how accurate those are.

In: the rows of one arm, and the rules of the study. Out: an Arm. Touches: nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from bench.report import statistics
from bench.report.analysis.rules import Rules
from bench.report.statistics import Array, Estimate
from bench.report.statistics.comparisons import Difference
from bench.report.statistics.sample import error_of
from bench.rows.correctness import unpacked
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row, UserError

TRAINED, STALLED = "trained", "stalled"  # of a run that is ok; a diverged one is DIVERGED
SEEDS, SPLITS, IMAGES = "seeds alone", "seeds and splits", "seeds and test images"  # what an interval covers
APART = 10.0  # points between two modes
BOOTSTRAP_SEED = 0  # of intervals alone: no value depends on it


@dataclass(frozen=True, eq=False)
class Arm:
    """The runs of an initializer in a block. Accuracies and rates are fractions with 95 % intervals.

    accuracy: the mean test accuracy of the trained runs. rate: the share of trained runs among those that ended.
    mean_of_all: the mean test accuracy of all that ended, a diverged one counted as chance; it has no interval, for the
    values have two modes. first_epoch_accuracy and seconds are means over the trained runs. A failed or preempted run
    is counted and enters nothing else. None where no run has a value.

    by_seed: the test accuracy of each trained run. answers: whether a run answered each test image right, by seed, of a
    test set that all seeds share; empty where it was not kept. covers: what the interval of the accuracy covers.
    """

    name: str
    rows: tuple[Row, ...]
    trained: int
    stalled: int
    diverged: int
    failed: int
    preempted: int
    accuracy: Estimate | None
    rate: Estimate | None
    mean_of_all: float | None
    first_epoch_accuracy: float | None
    seconds: float | None
    covers: str
    by_seed: Mapping[Any, float] = field(repr=False)
    answers: Mapping[Any, Array] = field(repr=False)

    @property
    def runs(self) -> int:
        """The number of runs, whatever became of them."""
        return len(self.rows)

    @property
    def ended(self) -> int:
        """The number of runs with an outcome: trained, stalled or diverged."""
        return self.trained + self.stalled + self.diverged

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the runs."""
        return tuple(row.id for row in self.rows)

    @property
    def mean(self) -> float | None:
        """The mean test accuracy of the trained runs."""
        return self.accuracy.value if self.accuracy else None

    @property
    def lost(self) -> dict[str, int]:
        """The number of runs that have no outcome, by status."""
        return {FAILED: self.failed, PREEMPTED: self.preempted}

    @property
    def modes(self) -> bool:
        """Whether the trained runs fall into two groups: 10 points or more apart, and farther than either is wide."""
        return two_modes([100 * value for value in self.by_seed.values()])


def arm(name: str, rows: Sequence[Row], rules: Rules, resolution: float = 0.0) -> Arm:
    """The arm of `rows`, all of one block; `resolution` is one test image as a fraction of the test set.

    Raises UserError where an ok run has no test accuracy or no validation accuracy, and for answers that are damaged.
    """
    outcomes = Counter(outcome(row, rules) for row in rows)
    trained = [row for row in rows if outcome(row, rules) == TRAINED]
    by_seed = {row.choices.get("seed"): accuracy(row) for row in trained}
    answers = _answers(trained)
    ended = outcomes[TRAINED] + outcomes[STALLED] + outcomes[DIVERGED]
    return Arm(
        name=name,
        rows=tuple(rows),
        trained=outcomes[TRAINED],
        stalled=outcomes[STALLED],
        diverged=outcomes[DIVERGED],
        failed=outcomes[FAILED],
        preempted=outcomes[PREEMPTED],
        accuracy=_interval(list(by_seed.values()), list(answers.values()), resolution) if by_seed else None,
        rate=statistics.wilson(outcomes[TRAINED], ended) if ended else None,
        mean_of_all=_mean_of_all(rows),
        first_epoch_accuracy=_mean(trained, "first_epoch_accuracy"),
        seconds=_mean(trained, "seconds"),
        covers=IMAGES if answers else SPLITS if _splits_vary(rows) else SEEDS,
        by_seed=by_seed,
        answers=answers,
    )


def two_modes(points: Sequence[float]) -> bool:
    """Whether values in points fall into two groups: 10 points or more apart, and farther than either is wide."""
    values = np.sort(np.array(points))
    if len(values) < 2:
        return False
    gaps = np.diff(values)
    place = int(gaps.argmax())
    widest = max(values[place] - values[0], values[-1] - values[place + 1])
    return bool(gaps[place] >= APART and gaps[place] > widest)


def outcome(row: Row, rules: Rules) -> str:
    """trained, stalled or diverged; the status of a run that has no outcome: failed or preempted.

    A run has trained when its last validation accuracy is above the threshold of the rules; the test set has no part in
    it. Raises UserError for an ok run without a validation accuracy.
    """
    if row.status != OK:
        return row.status
    reached = _measured(row, "validation_accuracy")
    return TRAINED if reached > rules.threshold(row.environment.get("classes")) else STALLED


def accuracy(row: Row) -> float:
    """The test accuracy of an ok run, a fraction. Raises UserError where the run has none."""
    return _measured(row, "test_accuracy")


def generator() -> Generator:
    """A new generator for each interval, so that no interval depends on which others a report has."""
    return np.random.default_rng(BOOTSTRAP_SEED)


def reached(rows: Sequence[Row]) -> list[tuple[Any, float]]:
    """The seed and the test accuracy of each run that ended, a fraction; a diverged one counts as chance."""
    guess, ended = chance(rows), [row for row in rows if row.status in (OK, DIVERGED)]
    return [(row.choices.get("seed"), guess if row.status == DIVERGED else accuracy(row)) for row in ended]


def chance(rows: Sequence[Row]) -> float:
    """The accuracy of a guess, a fraction; 0 where the number of classes is unknown."""
    classes = next((row.environment["classes"] for row in rows if row.environment.get("classes")), None)
    return 1 / classes if classes else 0.0


def _measured(row: Row, measure: str) -> float:
    value = row.measures.get(measure)
    if value is None:
        task = row.choices.get("task")
        raise UserError(
            f"run {row.id} (task {task}) is ok but has no {measure}; a summary compares training runs, task=train"
        )
    return value


def _answers(trained: Sequence[Row]) -> dict[Any, Array]:
    """The answers of each run by seed, as 0 and 1; none unless every run has kept them."""
    if not all(row.correct for row in trained):
        return {}
    return {row.choices.get("seed"): _answers_of(row) for row in trained}


def _answers_of(row: Row) -> Array:
    images = row.environment.get("test_images")
    if not isinstance(images, int):
        raise UserError(f"run {row.id} says which test images it classified correctly, but not how many there are")
    try:
        return unpacked(str(row.correct), images).astype(np.float64)
    except ValueError as damage:
        raise UserError(f"run {row.id}: {damage}; train it again, or remove its row") from damage


def _splits_vary(rows: Sequence[Row]) -> bool:
    if any(row.correct for row in rows):  # kept of a test set that all seeds share, whatever else is split
        return False
    return all("dataset.split_seed" in row.choices and row.choices["dataset.split_seed"] is None for row in rows)


def _mean_of_all(rows: Sequence[Row]) -> float | None:
    found = reached(rows)
    return float(np.mean([value for _, value in found])) if found else None


def _mean(rows: Sequence[Row], measure: str) -> float | None:
    values = [row.measures.get(measure) for row in rows]
    # a mean over the runs that happen to have the measure would be a mean of another set of runs
    return statistics.mean(values).value if values and None not in values else None  # type: ignore[arg-type]


def _interval(values: list[float], answers: list[Array], resolution: float) -> Estimate:
    if answers:
        found = np.array(answers)
        reached = Difference(float(found.mean()), len(found), error_of(found, resolution)).interval()
    else:
        reached = statistics.interval(values, generator(), resolution=resolution)
    if reached.low is None or reached.high is None:
        return reached
    # within 0 to 1 it covers as often, for no accuracy lies outside
    return replace(reached, low=min(1.0, max(0.0, reached.low)), high=min(1.0, max(0.0, reached.high)))
