"""The largest stable learning rate before training, beside the rates at which the tuning runs of each arm trained.

In: a Tuning, and rows of task=signal. Out: a Prediction. Touches: nothing.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.report.analysis.arms import TRAINED, outcome
from bench.report.analysis.rules import Rules
from bench.report.analysis.tuning import TunedArm, Tuning
from bench.report.statistics import Array, Estimate, mean
from bench.rows.tuning import arm_of
from bench.schema import FINAL, OK, Row

RATE, MEASURE = "optimizer.learning_rate", "largest_stable_rate"
NETS = ("dataset", "model", "normalization", "activation")  # choices, with their arguments, that make a net
DRAWS, DRAWS_SEED = 9_999, 0  # orders of the arms, and the seed of their generator
FEWEST = 3  # arms of a block that have an order worth a correlation


@dataclass(frozen=True, eq=False)
class StableRate:
    """An arm in a block. stable: its largest stable rate at initialization, the geometric mean over draws of weights.

    chosen: the rate that tuning chose. trained: the rates of the grid at which all its tuning runs trained.
    """

    arm: TunedArm
    chosen: float
    stable: Estimate
    trained: tuple[float, ...]

    @property
    def highest(self) -> float:
        """The highest rate at which it trained; 0 where it trained at none."""
        return max(self.trained, default=0.0)


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation within blocks, the mean over `blocks` that have an order.

    p: one-sided, the share of random orders of the arms within their blocks that correlate as well or better.
    """

    value: float
    p: float
    blocks: int
    arms: int


@dataclass(frozen=True, eq=False)
class Prediction:
    """Whether arms with a larger stable rate train at higher rates, over the blocks of a study.

    unknown: arms of blocks that have no stable rate, for the loss is concave along its gradient in some draw.
    """

    arms: tuple[StableRate, ...]
    unknown: int = 0

    @property
    def blocks(self) -> list[list[StableRate]]:
        """The arms of each block whose tuned rates differ."""
        return [arms for arms in self._by_block() if len({one.chosen for one in arms}) > 1]

    @cached_property
    def of_chosen(self) -> Correlation | None:
        """That with the tuned rate; None where no block has an order."""
        return self._correlation(lambda one: one.chosen)

    @cached_property
    def of_highest(self) -> Correlation | None:
        """That with the highest rate at which an arm trained, none the lowest; None where no block has an order."""
        return self._correlation(lambda one: one.highest)

    def _by_block(self) -> list[list[StableRate]]:
        found: dict[str, list[StableRate]] = defaultdict(list)
        for one in self.arms:
            found[repr(dict(one.arm.choices))].append(one)
        return [arms for arms in found.values() if len(arms) >= FEWEST]

    def _correlation(self, rate: Callable[[StableRate], float]) -> Correlation | None:
        blocks = [arms for arms in self._by_block() if len({rate(one) for one in arms}) > 1]
        if not blocks:
            return None
        ranks = [(_ranks([one.stable.value for one in arms]), _ranks([*map(rate, arms)])) for arms in blocks]
        value = np.mean([stable @ rates for stable, rates in ranks])
        generator = np.random.default_rng(DRAWS_SEED)
        drawn = np.mean(
            [generator.permuted(np.tile(stable, (DRAWS, 1)), axis=1) @ rates for stable, rates in ranks], axis=0
        )
        p = (1 + np.sum(drawn >= value - 1e-12)) / (1 + DRAWS)
        return Correlation(float(value), float(p), len(blocks), sum(map(len, blocks)))


def predicted(found: Tuning | None, rules: Rules, rows: Iterable[Row]) -> Prediction | None:
    """The arms of a study that tunes the learning rate and whose nets `rows` measured; None where there is none."""
    if found is None or found.tune.key != RATE:
        return None
    measured: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for row in rows:
        if row.status == OK:
            measured[net(row.choices), arm_of(row.choices)].append(row.measures.get(MEASURE))
    by_id = {row.id: row for row in found.rows}
    arms, unknown = [], 0
    for one in found.arms:
        runs = [by_id[run] for run in one.runs]
        values = measured.get((net(runs[0].choices), arm_of(runs[0].choices)), [])
        if one.value is None or not values:
            continue
        if stable := _geometric(values):
            arms.append(StableRate(one, one.value, stable, tuple(_trained(runs, rules))))
        else:
            unknown += 1
    return Prediction(tuple(arms), unknown) if arms else None


def net(choices: Mapping[str, Any]) -> str:
    """What makes a net but for its weights: the data, the model, its normalization and activation, and arguments."""
    return repr(sorted((key, value) for key, value in choices.items() if key.partition(".")[0] in NETS))


def _geometric(values: Sequence[float | None]) -> Estimate | None:
    known = [math.log(value) for value in values if value is not None and value > 0]
    if not known or len(known) < len(values):
        return None
    found = mean(known)
    low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
    return Estimate(math.exp(found.value), low, high, found.n)


def _trained(runs: Sequence[Row], rules: Rules) -> list[float]:
    by_rate: dict[float, list[bool]] = defaultdict(list)
    for row in runs:
        if row.status in FINAL:
            by_rate[row.choices[RATE]].append(outcome(row, rules) == TRAINED)
    return sorted(rate for rate, trained in by_rate.items() if all(trained))


def _ranks(values: Sequence[float]) -> Array:
    """Ranks of mean 0 and length 1, whose products are correlations."""
    ranks = pd.Series(values).rank().to_numpy()
    centered = ranks - ranks.mean()
    return np.asarray(centered / (np.linalg.norm(centered) or 1.0))
