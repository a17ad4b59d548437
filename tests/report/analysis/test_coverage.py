"""What covers, what a report uses, and what it says of that."""

import numpy as np
import pytest

from bench.catalogue import CONF
from bench.report import summarize_study
from bench.report.analysis import coverage
from bench.report.statistics.simulation import SHAPES
from bench.report.statistics.simulation import coverage as simulate
from bench.rows.store import Store


def column(rows, name):
    return list(coverage.frame(rows)[name])


@pytest.mark.parametrize(
    ("covered", "covers"), [(0.9299, False), (0.93, True), (0.95, True), (0.97, True), (0.9701, False), (1.0, False)]
)
def test_coverage_is_as_claimed_within_two_points(covered, covers, case):
    assert column([case(covered=covered)], "covers") == [covers]


@pytest.mark.parametrize(
    ("method", "n", "values", "used"),
    [
        *[("t", 19, None, True), ("t", 20, None, False), ("bca", 5, None, False)],
        *[("studentized", 20, None, True), ("studentized", 20, 16.0, False), ("t", 20, 16.0, True)],
    ],
)
def test_a_method_is_used_where_the_report_takes_it_for_as_many_values(method, n, values, used, case):
    assert column([case(method, n, values=values)], "used") == [used]


def test_two_levels_are_never_mixed(case):
    rows = [case(), case(level=0.8, covered=0.8)]
    assert column(rows, "covers") == [True, True]


def test_the_sentences_name_what_is_used_and_does_not_cover(case):
    rows = [case(), case(shape="heavily_skewed", covered=0.91), case("bca", covered=0.8)]
    told = " ".join(coverage.sentences(rows))
    assert "in 1 of 2 simulated cases" in told
    assert "heavily skewed (91.0 % at n = 5)" in told
    assert "80.0" not in told


def test_a_note_is_about_the_numbers_of_seeds_of_the_study_alone(case):
    rows = [case(covered=0.95), case(shape="skewed", covered=0.91), case(n=10, shape="skewed", covered=0.9)]
    assert "91.0 % at n = 5" in coverage.note(rows, [5, 7])
    assert "90.0" not in coverage.note(rows, [5, 7])
    assert "90.0 % at n = 10" in coverage.note(rows, [12])
    assert "91.0 % at n = 5" in coverage.note(rows, [3])
    assert coverage.note(rows, [1, 0]) == ""
    assert coverage.note([case()], [5]) == ""
    assert coverage.note([], [5]) == ""


def test_a_report_says_where_its_intervals_do_not_cover(arm, case, settings):
    rows = arm("a", [0.9, 0.91, 0.92, 0.9, 0.9])
    assert "67.0 % at n = 5" in summarize_study(rows, settings, [case(shape="bimodal_naive", covered=0.67)]).notes[0]
    assert summarize_study(rows, settings, [case()]).notes == ()
    assert summarize_study(rows, settings).notes == ()


@pytest.fixture(name="committed", scope="module")
def _committed():
    return list(Store(CONF.parent / "results", "coverage").read().rows.values())


def test_what_is_used_covers_values_as_accuracies_are(committed):
    used = coverage.frame(committed).query("used and shape in ['normal', 'skewed', 'bimodal']")
    assert set(used["n"]) == {3, 5, 10, 20}
    assert used["coverage"].between(0.93, 0.97).all()


def test_a_committed_row_is_simulated_again_to_the_last_digit(committed):
    (row,) = [one for one in committed if {"t", 3, "normal"} <= set(one.choices.values())]
    generator = np.random.default_rng([0, 3, *b"normal"])
    found = simulate("t", 3, SHAPES["normal"], 0.95, row.choices["simulations"], generator)
    assert row.measures["coverage"] == found.covered / found.judged
    assert row.measures["mean_width"] == pytest.approx(found.mean_width)
