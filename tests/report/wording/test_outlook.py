"""A plan says which seeds its margins need, and what it cannot decide."""

from dataclasses import replace

import pytest

from bench.machine.settings import Tune
from bench.report.analysis.outlook import outlook
from bench.report.analysis.rules import Margin
from bench.report.statistics.power import largest_spread, seeds_for_rate
from bench.report.wording import outlook as words


def planned(seeds, arms=("a", "b", "c"), blocks=("batch", "none")):
    return [
        {"model": "net", "normalization": block, "activation": "relu", "initializer": arm, "seed": seed}
        for block in blocks
        for arm in arms
        for seed in range(seeds)
    ]


def said(rules, seeds, power=(), **changes):
    return " ".join(words.outlook(outlook(planned(seeds, **changes), rules), rules, power))


def test_the_seeds_that_equal_rates_take_follow_from_the_size_of_the_study(rules):
    found = outlook(planned(60), rules)
    assert (found.seeds, found.blocks, found.pairs, found.level) == (60, 2, 3, 0.05)
    assert found.one_pair.rate_seeds == seeds_for_rate(0.1, 0.05 / 2)
    assert found.all_pairs.rate_seeds == seeds_for_rate(0.1, 0.05 / 6)
    assert "this plan can show arms to be equivalent." in said(rules, 60)
    assert "with 10 this plan can show equal accuracies, but no arms to be equivalent." in said(rules, 10)


def test_what_only_the_arms_of_a_question_reach_is_said_where_there_is_a_question(rules):
    assert "no arms to be equivalent" in said(rules, 40)
    assert "can show that of the arms of its question alone" in said(replace(rules, question=("a", "b")), 40)


def test_the_spread_that_the_seeds_allow_needs_no_rows(rules):
    found = outlook(planned(10), rules)
    assert found.all_pairs.spread_points == pytest.approx(largest_spread(1.0, 10, 0.05 / 6, 0.8))
    assert "standard deviation over seeds of at most" in said(rules, 10)
    shares = replace(rules, margin=Margin(share=0.25))
    assert "standard deviation" not in said(shares, 10)
    assert "follow from the spread of the first rows" in said(shares, 10)


def test_a_study_that_tunes_compares_its_arms_twice(rules):
    tunes = replace(
        rules, tune=Tune(key="optimizer.learning_rate", values=[0.1, 1.0], seeds=(100,), extend=0, shared=0.1)
    )
    assert outlook(planned(10), tunes).blocks == 2 * outlook(planned(10), rules).blocks


def test_the_hidden_control_is_no_arm(rules):
    assert outlook(planned(10, arms=("a", "b", "again")), rules) == outlook(planned(10, arms=("a", "b")), rules)


@pytest.mark.parametrize(("seeds", "due"), [(7, False), (10, True), (30, True)])
def test_between_planned_looks_a_plan_cannot_decide(rules, seeds, due):
    text = said(replace(rules, looks=(5, 10)), seeds)
    sentence = f"This plan cannot decide: no verdict is due at {seeds} seeds for each arm, only at 5 or 10."
    assert (text == sentence) != due


def test_fewer_than_five_seeds_decide_no_accuracy(rules):
    assert "This plan cannot decide on accuracies: that takes 5 seeds or more, and it has 3." in said(rules, 3)


def test_the_seeds_of_a_margin_come_from_the_spread_of_the_rows(rules, study):
    assert "This plan cannot decide there." in said(rules, 10, study.power)
    assert "cannot decide" not in said(rules, 10_000, study.power)


def test_one_arm_has_nothing_to_decide(rules):
    assert outlook(planned(10, arms=("a",)), rules) is None
