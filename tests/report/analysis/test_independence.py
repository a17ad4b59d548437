"""The verdict on two arms depends on their rows alone: nothing that another arm does can move it."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from bench.report import summarize
from bench.report.analysis.rules import Margin, Rules
from bench.schema import Row

MakeRow = Callable[..., Row]
Verdicts = dict[tuple[str, frozenset[str]], tuple[Any, ...]]

ARMS, BLOCKS, SEEDS = "abcd", (4, 8, 16), 6


def random_rows(row: MakeRow, generator: Generator, arms: Sequence[str]) -> list[Row]:
    """Runs of an arm in each block, with a law of its own; some diverge, stall or fail."""
    rows = []
    for name in arms:
        for width in BLOCKS:
            mean, sd, rate = generator.uniform(0.7, 0.97), generator.choice([0.0, 0.003, 0.03]), generator.uniform()
            for seed in range(SEEDS):
                astray = generator.random() < rate * generator.integers(2)
                status = str(generator.choice(["diverged", "ok", "failed"], p=[0.5, 0.4, 0.1])) if astray else "ok"
                reached = 0.1 if astray else min(1.0, float(generator.normal(mean, sd)))
                rows.append(row(name, seed, reached, status, model__width=width))
    return rows


def verdicts(rows: list[Row], rules: Rules, without: str) -> Verdicts:
    """The verdict, p-values and intervals of every pair without this arm, in findings and in the question."""
    summary = summarize(rows, rules)
    found = [(finding.name, pair) for finding in summary.findings for pair in finding.pairs]
    if summary.question:
        found += [(f"question {finding.name}", pair) for finding, pair in summary.question.pairs]
    seen = [(name, min(pair, pair.turned(), key=lambda one: one.initializer)) for name, pair in found]
    return {
        (name, pair.names): (*astuple(pair), pair.better, pair.rate_open)
        for name, pair in seen
        if without not in pair.names
    }


@pytest.mark.parametrize("seed", range(30))
def test_another_arms_rows_change_nothing_that_is_said_of_a_pair(row: MakeRow, rules: Rules, seed: int) -> None:
    generator = np.random.default_rng(seed)
    other = str(generator.choice(list(ARMS)))
    question = tuple(str(name) for name in generator.choice([name for name in ARMS if name != other], 2, replace=False))
    margin = Margin.of(["25%", 1.0, 3.0][seed % 3])
    rules = replace(rules, question=question, margin=margin, looks=[(), (3, 6)][seed % 2])
    kept = random_rows(row, generator, [name for name in ARMS if name != other])
    before, after = ([*kept, *random_rows(row, generator, [other])] for _ in range(2))
    assert before != after
    found = verdicts(before, rules, other)
    assert len(found) > 6  # of 12: three pairs and the question in three blocks
    assert found == verdicts(after, rules, other)


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_an_arm_of_which_nothing_is_left_changes_nothing_either(row: MakeRow, rules: Rules, status: str) -> None:
    rows = random_rows(row, np.random.default_rng(1), ARMS)
    gone = [
        row("d", one.choices["seed"], None, status, model__width=one.choices["model.width"])
        if one.choices["initializer"] == "d"
        else one
        for one in rows
    ]
    assert verdicts(rows, rules, "d") == verdicts(gone, rules, "d")
