"""Simulated studies as rows: real rows, whose accuracies and failures are drawn.

In: a kind, a generator. Out: rows. Touches: nothing.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.benchmarks.error_rates.kinds import FAILING_ARM, TWO_MODES, Kind
from bench.report.statistics import Array
from bench.schema import DIVERGED, OK, Row, Run

BLOCKS = [
    {"model": model, "normalization": normalization, "activation": activation}
    for model, normalization, activation in product(("plain14", "resnet20"), ("batch", "none"), ("relu", "tanh"))
]
ARMS = "abcde"
QUESTION = ("a", "b")  # the first arm and one of the others

TEST_IMAGES, CLASSES = 360, 10
ACCURACY = 0.8  # of a run that trains; so far below 1 that no accuracy is cut off there
CHANCE, STALLED_SD = 1 / CLASSES, 0.015  # of a run that stalls
LOWER_MODE, MODE_SHARE = 0.35, 0.3  # how far the lower of two modes is away, and its share of the runs


def studies(kind: Kind, count: int, generator: Generator) -> Iterator[list[Row]]:
    """`count` studies, one after the other in the same rows: each replaces the one before it."""
    rows = _blank(kind)
    for _ in range(count):
        accuracies, diverged = drawn(kind, generator)
        for row, accuracy, lost in zip(rows, accuracies.ravel().tolist(), diverged.ravel().tolist(), strict=True):
            row.status = DIVERGED if lost else OK
            row.measures = {} if lost else {"validation_accuracy": accuracy, "test_accuracy": accuracy}
        yield rows


def drawn(kind: Kind, generator: Generator) -> tuple[Array, NDArray[np.bool]]:
    """The accuracy of each run and whether it diverged, both (blocks, arms, n). Of the failing runs half diverge."""
    shape = (*kind.size, kind.n)
    accuracies = ACCURACY + kind.sd / 100 * generator.standard_normal(shape)
    accuracies[:, 0] -= kind.shift / 100
    if kind.scenario == TWO_MODES:
        accuracies -= LOWER_MODE * (generator.random(shape) < MODE_SHARE)
    fails = generator.random(shape) < kind.failing
    if kind.scenario == FAILING_ARM:
        fails[:, 1:] = False
    stalled = CHANCE + STALLED_SD * generator.standard_normal(shape)
    accuracies = np.clip(np.where(fails, stalled, accuracies), 0, 1)
    return np.rint(TEST_IMAGES * accuracies) / TEST_IMAGES, fails & (generator.random(shape) < 0.5)


def _blank(kind: Kind) -> list[Row]:
    blocks, arms = kind.size
    about = {"test_images": TEST_IMAGES, "classes": CLASSES}
    runs = [
        {**block, "initializer": arm, "seed": seed}
        for block, arm, seed in product(BLOCKS[:blocks], ARMS[:arms], range(kind.n))
    ]
    data = {"task": "train", "dataset": "digits", "dataset.split_seed": None}
    return [Row(Run("", {**data, **run}).id, "simulated", OK, {**data, **run}, environment=about) for run in runs]
