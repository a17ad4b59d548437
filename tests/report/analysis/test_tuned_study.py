"""A study that tunes: planted rows, of which the report has to say what is true of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.machine.settings import Screen, Settings, Tune
from bench.report import Summary, render, sheet, summarize_study
from bench.report.analysis.advice import advice
from bench.report.analysis.levels import of_study, sizes
from bench.report.analysis.tuning import Tuning
from bench.report.figures import figures
from bench.report.figures.grid import grid
from bench.report.statistics import Estimate
from bench.report.tables import results
from bench.report.tables import tuning as tables
from bench.report.wording import answer
from bench.report.wording import tuning as words
from bench.report.wording.factor import factor, leads
from bench.report.wording.format import estimate
from bench.rows.screening import Dropped
from bench.schema import Row, UserError

MakeRow = Callable[..., Row]
RATE = "optimizer__learning_rate"
KEY = "optimizer.learning_rate"
GRID = (0.0125, 0.05, 0.2)
TUNING = (100, 101, 102)
NOISE = np.random.default_rng(0).normal(0, 0.004, (8, 10))
Law = Mapping[float, float]  # the accuracy at each rate


@pytest.fixture
def again(settings: Settings) -> Callable[[list[Row]], Summary]:
    """The report of other rows of the same study."""
    tune = Tune.read({"key": KEY, "values": [*GRID], "seeds": [*TUNING], "extend": 0, "shared": 0.05})
    study = replace(settings.study, tune=tune, question=[], looks=[])
    return lambda rows: summarize_study(rows, replace(settings, study=study))


@pytest.fixture
def tuned(row: MakeRow, again: Callable[[list[Row]], Summary]) -> Callable[..., Summary]:
    """The report of arms by their law on test data, and by `seen`, what the tuning runs see of it on validation."""

    def rows(name: str, law: Law, seen: Law, chosen: float) -> Iterator[Row]:
        for rate in GRID:
            for seed in TUNING:
                yield row(name, seed, law[rate], validation_accuracy=seen[rate], optimizer__learning_rate=rate)
        for rate in {0.05, chosen}:
            for seed in range(10):
                reached = law[rate] + NOISE[len(name), seed]
                yield row(name, seed, reached, optimizer__learning_rate=rate)

    def make(seen: Mapping[str, Law] | None = None, **laws: Law) -> Summary:
        seen = {**laws, **(seen or {})}
        every = [one for name in laws for one in rows(name, laws[name], seen[name], max(GRID, key=seen[name].get))]
        return again(every)

    return make


SHARED_BEST = {0.0125: 0.6, 0.05: 0.8, 0.2: 0.5}
NEEDS_LESS = {0.0125: 0.9, 0.05: 0.7, 0.2: 0.3}


def of(summary: Summary) -> Tuning:
    assert summary.tuning is not None
    return summary.tuning


def test_an_arm_that_needs_another_rate_turns_once_it_is_tuned(tuned: Callable[..., Summary]) -> None:
    summary = tuned(one=SHARED_BEST, three=NEEDS_LESS)
    shared, best = summary.findings
    assert [one.choices[KEY] for one in summary.findings] == ["shared", "tuned"]
    assert (shared.leading, best.leading) == (["one"], ["three"])
    (flip,) = of(summary).flips
    assert flip.shown
    assert {one.name: one.value for one in of(summary).arms} == {"one": 0.05, "three": 0.0125}
    assert "1 of them shown both ways: three over one once tuned" in words.changed(of(summary))


def test_an_arm_that_wins_by_luck_on_validation_does_not_win_on_test(tuned: Callable[..., Summary]) -> None:
    lucky = {0.0125: 0.99, 0.05: 0.7, 0.2: 0.7}  # on validation alone; its law is the same at every rate
    flat = dict.fromkeys(GRID, 0.7)
    summary = tuned(seen={"three": lucky}, one=SHARED_BEST, three=flat)
    assert {one.name: one.value for one in of(summary).arms} == {"one": 0.05, "three": 0.0125}
    assert [one.leading for one in summary.findings] == [["one"], ["one"]]
    assert of(summary).flips == []


def test_tuning_rows_enter_no_verdict(tuned: Callable[..., Summary]) -> None:
    summary = tuned(one=SHARED_BEST, three=NEEDS_LESS)
    judged = [row for finding in summary.findings for arm in finding.arms for row in arm.rows]
    assert len(judged) == 4 * 10
    assert {row.choices["seed"] for row in judged}.isdisjoint(TUNING)


def test_the_lead_of_the_first_arm_over_the_last_is_that_of_fresh_runs_in_the_order_of_tuning(
    row: MakeRow, again: Callable[[list[Row]], Summary]
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.004, (3, 10))

    def fresh(norm: str, place: int, seed: int) -> float:
        low = 0.5 if norm == "none" and place == 2 else 0.0
        return float(0.9 - low + noise[place, seed])

    def runs(name: str, norm: str, place: int, seen: float) -> Iterator[Row]:
        for seed in range(10):
            status = "diverged" if (norm, name, seed) == ("none", "c", 0) else "ok"
            yield row(name, seed, fresh(norm, place, seed), status, normalization=norm, **{RATE: 0.05})
        for rate, reached in zip(GRID, (seen - 0.3, seen, seen - 0.3), strict=True):
            for seed in TUNING:
                yield row(name, seed, 0.5, validation_accuracy=reached, normalization=norm, **{RATE: rate})

    seen = {"batch": (0.91, 0.93, 0.92), "none": (0.91, 0.93, 0.4)}
    rows = [
        run for norm in seen for place, name in enumerate("abc") for run in runs(name, norm, place, seen[norm][place])
    ]
    batch, none = of_study(again(rows))
    expected = [100 * (noise[1] - noise[0]), 100 * (0.5 + noise[1] - noise[2])]  # b over a, b over c
    expected[1][0] = 100 * (0.9 + noise[1, 0] - 0.1)  # a diverged run counts as chance
    for level, lead in zip((batch, none), expected, strict=True):
        low, high = stats.t.interval(0.95, 9, lead.mean(), stats.sem(lead))
        assert level.lead == Estimate(pytest.approx(lead.mean()), pytest.approx(low), pytest.approx(high), 10)
    assert sizes([batch, none]) == [batch.lead.value, none.lead.value]
    assert batch.lead.value < batch.gap
    found = leads([batch, none])
    lead, far = (estimate(one.lead, 1) for one in (batch, none))
    assert found == f"{lead} points with batch norm and {far} points without normalization"
    assert f"over all runs on 10 fresh seeds the arm that tuning ranks first leads the last by {found};" in (
        factor(again(rows))
    )


def test_an_arm_whose_tuned_value_is_the_shared_one_has_the_same_runs_in_both(tuned: Callable[..., Summary]) -> None:
    shared, best = tuned(one=SHARED_BEST, three=NEEDS_LESS).findings
    assert shared.ids("one") == best.ids("one")
    assert set(shared.ids("three")).isdisjoint(best.ids("three"))


def test_the_tables_have_both_results_the_search_and_the_basin(tuned: Callable[..., Summary]) -> None:
    one, three = sorted(of(tuned(one=SHARED_BEST, three=NEEDS_LESS)).arms, key=lambda arm: arm.name)
    assert three.expected == pytest.approx(((0.9 + 0.7 + 0.3) / 3, (0.9 + 0.9 + 0.7) / 3, 0.9))
    assert (three.basin, three.width, three.on_edge, one.on_edge) == ((0.0125, 0.0125), 1.0, True, False)
    assert three.shared is not None
    assert three.tuned is not None
    assert (three.shared.mean, three.tuned.mean) == (pytest.approx(0.7, abs=0.01), pytest.approx(0.9, abs=0.01))


def test_the_figure_of_the_grid_draws_each_score_and_marks_the_chosen_values(tuned: Callable[..., Summary]) -> None:
    figure = figures(tuned(one=SHARED_BEST, three=NEEDS_LESS))["grid"]
    for tip in (
        "one, all: 0.05, chosen; 80.0 %",
        "three, all: 0.0125, chosen; 90.0 %",
    ):
        assert tip in figure.svg
    assert "three, all: 0.2; 30.0 %" in figure.svg
    assert "The values chosen: all: one at 0.05; all: three at 0.0125." in figure.alt


def test_without_tuning_there_is_no_figure_of_a_grid() -> None:
    assert grid(None) is None


@pytest.mark.parametrize("format", ["text", "markdown", "csv", "json"])
def test_every_format_says_what_is_tuned(tuned: Callable[..., Summary], format: str) -> None:
    said = render(sheet(tuned(one=SHARED_BEST, three=NEEDS_LESS)), format)
    assert "tuned" in said
    assert "shared" in said


def test_between_the_stages_the_arms_are_compared_at_the_shared_value(tuned: Any, again: Any) -> None:
    whole = tuned(one=SHARED_BEST, three=NEEDS_LESS)
    lost = next(one for one in whole.rows if one.choices["seed"] in TUNING)
    summary = again([one for one in whole.rows if one is not lost])
    assert [finding.choices.get(KEY) for finding in summary.findings] == [None]
    assert words.changed(of(summary)) == "No value is chosen yet."


def test_tuning_rows_alone_are_no_study(tuned: Any, again: Any) -> None:
    whole = tuned(one=SHARED_BEST, three=NEEDS_LESS)
    rows = [one for one in whole.rows if one.choices["seed"] in TUNING]
    with pytest.raises(UserError, match="all these rows are of runs that tune or drop arms"):
        again(rows)


def test_a_run_that_is_shared_and_tuned_is_counted_and_listed_once(tuned: Callable[..., Summary]) -> None:
    fails = dict.fromkeys(GRID, 0.1)  # the shared rate is taken, and nothing asks for the runs at the lowest one
    summary = tuned(one=SHARED_BEST, three=fails)
    assert len(of(summary).stray) == 10
    assert "Left out: 10 runs at neither the shared value nor a chosen one." in words.chosen(of(summary))
    assert "10 of 20 runs did not train" in answer.training(summary)
    listed = [line[0].text for line in results.runs(summary).lines]
    assert sorted(listed) == sorted(row.id for row in summary.rows)


def test_a_basin_that_reaches_an_end_of_the_grid_may_go_on(tuned: Callable[..., Summary]) -> None:
    summary = tuned(one=SHARED_BEST, three=NEEDS_LESS)
    one, three = sorted(of(summary).arms, key=lambda arm: arm.name)
    assert (one.is_cut_off, three.is_cut_off) == (False, True)
    table = tables.tuned(summary)
    assert table is not None
    assert sorted(line[-1].text for line in table.lines) == ["1", "1+"]


def test_arms_that_screening_dropped_are_listed_with_the_reason(row: MakeRow, settings: Settings) -> None:
    screen = Screen.read({"rungs": [1], "seeds": [200]})
    study = replace(settings.study, screen=screen, question=[], looks=[])
    scores = {"a": 0.9, "b": 0.8, "c": 0.3}
    rows = [row(name, 200, score) for name, score in scores.items()]
    rows += [row(name, seed, 0.9 + NOISE[place, seed]) for place, name in enumerate("ab") for seed in range(10)]
    summary = summarize_study(rows, replace(settings, study=study))
    assert summary.arms == ["a", "b"]
    assert summary.screening is not None
    (dropped,) = summary.screening.arms
    assert (dropped.name, dropped.why) == ("c", Dropped(1, 0.3, 0.8))
    for format in ("text", "markdown", "json"):
        assert "c" in render(sheet(summary), format).partition("ropped")[2]
    assert len(results.runs(summary).lines) == len(rows)


def test_a_card_takes_the_arm_that_is_best_at_its_own_rate(tuned: Callable[..., Summary]) -> None:
    summary = tuned(one=SHARED_BEST, three=NEEDS_LESS)
    (found,) = advice(summary)
    assert found.tuned
    assert found.allowed == ["three"]
    (cost,) = found.others
    assert (cost.name, cost.word, cost.value) == ("one", "worse", 0.05)
    assert found.default is not None
    assert found.default.value == 0.0125
    assert (found.default.width.value, found.default.width.low) == (1.0, 1.0)  # type: ignore[union-attr]


def test_a_card_does_not_take_an_arm_that_was_lucky_on_validation(tuned: Callable[..., Summary]) -> None:
    lucky = {0.0125: 0.99, 0.05: 0.6, 0.2: 0.5}
    summary = tuned({"three": lucky}, one=SHARED_BEST, three={0.0125: 0.6, 0.05: 0.7, 0.2: 0.3})
    (found,) = advice(summary)
    assert found.allowed == ["one"]
