"""The largest stable rate before training beside the rates at which tuning runs train: planted rows."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from statistics import fmean

import pytest

from bench.machine.settings import Settings, Tune
from bench.report import Summary, summarize_study
from bench.report.analysis.stable import DRAWS, Prediction, predicted
from bench.report.figures import prediction
from bench.report.tables import tuning as tables
from bench.report.wording.tuning import predicted as sentence
from bench.schema import Row

KEY = "optimizer.learning_rate"
GRID = (0.01, 0.1, 1.0)
REACH = {"low": 0.01, "middle": 0.1, "high": 1.0}  # the rate up to which an arm trains, which is its best
STABLE = {"low": [0.02, 0.03], "middle": [0.2, 0.4], "high": [5.0, 7.0]}  # two draws of the weights


@pytest.fixture
def summary(settings: Settings, row: Callable[..., Row]) -> Summary:
    tune = Tune.read({"key": KEY, "values": [*GRID], "seeds": [100, 101], "extend": 0, "shared": 0.01})

    def accuracy(arm: str, rate: float) -> float:
        return 0.1 if rate > REACH[arm] else 0.8 + 0.05 * GRID.index(rate)

    rows = [
        row(arm, seed, accuracy(arm, rate), normalization="none", optimizer__learning_rate=rate)
        for arm in REACH
        for rate in GRID
        for seed in (100, 101, *range(3))
        if seed >= 100 or rate in (0.01, REACH[arm])
    ]
    return summarize_study(rows, replace(settings, study=replace(settings.study, tune=tune, question=[], looks=[])))


@pytest.fixture
def probe(row: Callable[..., Row]) -> Callable[..., list[Row]]:
    def rows(stable: dict[str, list[float | None]] | None = None, **choices: str) -> list[Row]:
        return [
            replace(one, measures={"largest_stable_rate": rate})
            for arm, rates in (stable or STABLE).items()
            for seed, rate in enumerate(rates)
            for one in [row(arm, seed, **{"task": "signal", "normalization": "none", **choices})]
        ]

    return rows


def of(summary: Summary, rows: list[Row]) -> Prediction:
    found = predicted(summary.tuning, summary.rules, rows)
    assert found is not None
    return found


def test_each_arm_has_its_stable_rate_and_the_rates_at_which_it_trained(
    summary: Summary, probe: Callable[..., list[Row]]
) -> None:
    found = {one.arm.name: one for one in of(summary, probe()).arms}
    for name, reach in REACH.items():
        assert found[name].stable.value == pytest.approx(exp(fmean(map(log, STABLE[name]))))
        assert found[name].trained == tuple(rate for rate in GRID if rate <= reach)
        assert found[name].chosen == found[name].highest == reach


def test_orders_that_agree_correlate_and_opposite_ones_do_so_negatively(
    summary: Summary, probe: Callable[..., list[Row]]
) -> None:
    alike = of(summary, probe()).of_chosen
    assert alike is not None
    assert (alike.value, alike.blocks, alike.arms) == (pytest.approx(1.0), 1, 3)
    assert alike.p == pytest.approx(1 / 6, abs=0.02)  # one of the six orders of three arms
    opposite = of(summary, probe({"low": [9.0, 9.1], "middle": [1.0, 1.1], "high": [0.1, 0.2]})).of_chosen
    assert opposite is not None
    assert (opposite.value, opposite.p) == (pytest.approx(-1.0), pytest.approx(1.0))


def test_an_arm_without_a_stable_rate_in_some_draw_is_left_out(
    summary: Summary, probe: Callable[..., list[Row]]
) -> None:
    found = of(summary, probe({**STABLE, "high": [5.0, None]}))
    assert {one.arm.name for one in found.arms} == {"low", "middle"}
    assert found.of_chosen is None
    assert sentence(found) == (
        "No block has 3 arms with a stable rate that train at different rates. 1 arm of a block has no stable rate, "
        "for the loss is concave along its gradient in some draw of the weights."
    )


def test_rows_of_other_nets_and_studies_that_tune_nothing_predict_nothing(
    summary: Summary, probe: Callable[..., list[Row]]
) -> None:
    assert predicted(summary.tuning, summary.rules, probe(normalization="batch")) is None
    assert predicted(summary.tuning, summary.rules, []) is None
    assert predicted(None, summary.rules, probe()) is None


def test_the_sentence_the_table_and_the_figure_say_the_same(summary: Summary, probe: Callable[..., list[Row]]) -> None:
    found = of(summary, probe())
    assert "by the rate that tuning chooses with a correlation of 1.00 (p = 0.1" in sentence(found)
    assert f"{DRAWS:,} random orders" in sentence(found)
    lines = {line[-4].text: [cell.text for cell in line[-3:]] for line in tables.stable(found).lines}
    assert lines["middle"][1:] == ["0.01, 0.1", "0.1"]
    figure = prediction(found, summary.arms)
    assert figure is not None
    assert "high, all: stable up to 5.9, takes 1" in figure.svg
