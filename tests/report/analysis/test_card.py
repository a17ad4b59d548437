"""A card: planted rows, of which it has to take the right arm, and to say how it knows."""

import json

import numpy as np
import pytest

from bench.report.analysis.advice import advice
from bench.report.analysis.card import card
from bench.report.paper.evidence import evidence
from bench.report.tables.card import sheet, take
from bench.report.terminal import render
from bench.report.wording import card as say
from bench.rows.expiry import CURRENT, Expiry

NOISE = np.random.default_rng(1).normal(0, 0.004, (5, 40))
CURRENTLY = Expiry(CURRENT, ("0123456789ab",))


def family(name):
    return str(name).rstrip("0123456789")


@pytest.fixture
def rows(arm):
    """Rows of arms by their mean accuracy, each with noise of its own."""

    def rows(seeds=20, **means_and_choices):
        means = {name: value for name, value in means_and_choices.items() if isinstance(value, float)}
        choices = {name: value for name, value in means_and_choices.items() if name not in means}
        return [
            one
            for place, (name, mean) in enumerate(means.items())
            for one in arm(name, [mean + float(NOISE[place, seed]) for seed in range(seeds)], **choices)
        ]

    return rows


@pytest.fixture
def card_of(make_study):
    """The card of a setting from the rows of a study."""

    def make(rows, asked=None, wanted=None, **about):
        asked = {"model": "resnet20"} if asked is None else asked
        return card(asked, wanted or asked, advice(make_study(rows, question=[], **about)), family)

    return make


def test_the_arm_that_is_shown_to_be_better_is_the_default_and_no_other_is_advised(card_of, rows):
    found = card_of(rows(best=0.9, worse=0.8, worst=0.5))
    assert found.allowed == ["best"]
    assert say.take(found) == ["Take best. Every other arm is shown to be worse, or does not train."]


def test_any_arm_may_be_taken_where_they_are_shown_to_be_equivalent(card_of, arm):
    values = [0.9 + 0.001 * float(one) for one in np.random.default_rng(0).normal(0, 1, 80)]
    found = card_of([*arm("a", values), *arm("b", values[::-1]), *arm("c", [one - 0.2 for one in values])])
    assert {found.default, *[name for name in found.allowed if found.shown(name) == "equivalent"]} == {"a", "b"}
    assert say.take(found)[0].startswith(f"Take any of {found.allowed[0]} and {found.allowed[1]}: they are shown to be")


def test_an_undecided_arm_is_called_open_and_no_equal(card_of, arm):
    found = card_of([*arm("a", [0.9, 0.8, 0.7, 0.85, 0.75]), *arm("b", [0.72, 0.9, 0.78, 0.7, 0.85])])
    assert [found.shown(name) for name in found.allowed[1:]] == ["not shown to be worse"]
    assert "is not shown to be worse, nor to be equivalent: that is open" in say.take(found)[0]
    assert any("seeds to be decided" in sentence for sentence in say.change(found))


def test_an_arm_with_one_lucky_run_is_not_the_default(card_of, rows, row):
    found = card_of([*rows(steady=0.9), row("lucky", 0, 0.99)])
    assert found.default == "steady"


def test_an_arm_that_never_trains_is_not_advised_and_its_cost_is_in_rate(card_of, rows):
    found = card_of(rows(good=0.9, dead=0.1))
    (one,) = found.advice
    (cost,) = one.others
    assert (cost.word, cost.pair.rate.difference) == ("does not train", -100.0)


def test_nothing_is_advised_where_nothing_trains(card_of, rows):
    found = card_of(rows(dead=0.1, dead_too=0.1))
    assert found.default is None
    assert say.take(found) == ["Take none of dead or dead_too: no run of theirs trains here."]


def test_an_arm_that_is_worse_in_one_of_the_settings_is_not_advised_for_all(card_of, rows):
    both = [*rows(a=0.9, b=0.899, c=0.7), *rows(a=0.7, b=0.8, c=0.85, normalization="none")]
    found = card_of(both)
    assert found.default is None
    assert "No arm may be taken in all 2 settings" in say.take(found)[0]
    narrower = card_of(both, {"model": "resnet20", "normalization": "none"})
    assert narrower.allowed == ["c"]


def test_the_numbers_of_a_card_are_those_of_its_rows(card_of, rows):
    found = card_of(rows(best=0.9, worse=0.8))
    record = json.loads(render(sheet(found, CURRENTLY), "json"))
    (cost,) = record["costs"]
    difference = 100 * (0.8 - 0.9 + (NOISE[1, :20] - NOISE[0, :20]).mean())
    assert cost["accuracy_difference"] == pytest.approx(difference)
    assert cost["accuracy_low"] < difference < cost["accuracy_high"]
    assert (record["default"], record["alternatives"]) == ("best", [])
    (counted,) = record["rows"]
    assert {name: one["seeds"] for name, one in counted["arms"].items()} == {"best": 20, "worse": 20}
    assert {"default", "alternatives", "costs", "rows", "scope", "unknown", "code"} <= {*record}


def test_an_unmeasured_dataset_has_the_advice_of_the_nearest_setting_and_says_so(card_of, rows):
    measured = [*rows(a=0.9, b=0.8), *rows(a=0.8, b=0.9, normalization="none")]
    found = card_of(measured, {"model": "resnet20", "normalization": "none", "dataset": "cifar10"})
    assert found.known
    assert not found.exact
    assert found.allowed == ["b"]
    assert "The nearest setting differs in dataset (cifar10 asked, digits measured)" in say.take(found)[0]


def test_the_nearest_depth_is_taken(card_of, rows):
    deep = [*rows(a=0.9, b=0.8), *rows(a=0.8, b=0.9, model="resnet110", model__depth=110)]
    found = card_of(deep, {"model": "resnet56"}, {"model": "resnet56", "model.depth": 56})
    assert found.allowed == ["b"]


@pytest.mark.parametrize("other", [{"normalization": "group"}, {"activation": "gelu"}, {"model": "plain20"}])
def test_another_norm_activation_or_kind_of_network_is_not_known(card_of, rows, other):
    found = card_of(rows(a=0.9, b=0.8), {"model": "resnet20", **other})
    assert not found.known
    assert found.default is None
    assert say.take(found)[0].startswith("Not known. Not measured: ")
    assert sheet(found, CURRENTLY).record["code"] == {}


def test_no_rows_give_no_advice():
    found = card({"model": "resnet20"}, {"model": "resnet20"}, [], family)
    assert say.take(found) == ["Not known: no study under results/ compares initializers in training runs."]
    assert "Not known" in render(sheet(found, None))


def test_of_two_studies_of_a_setting_the_one_with_more_seeds_counts_and_the_other_is_named(make_study, rows):
    few, many = (
        make_study(rows(seeds, a=0.9, b=0.8), question=[], name=name) for seeds, name in ((5, "few"), (30, "many"))
    )
    found = card({"model": "resnet20"}, {"model": "resnet20"}, [*advice(few), *advice(many)], family)
    assert [one.summary.name for one in found.advice] == ["many"]
    assert [one.summary.name for one in found.also] == ["few"]
    assert "The study few has 5 seeds, which allow a in 1 of 1 setting." in say.sure(found)


def test_an_arm_that_may_be_taken_in_every_setting_is_the_default_of_each(card_of, rows):
    values = {"a": 0.9, "b": 0.8995}
    both = [*rows(**values, c=0.7), *rows(a=0.9, b=0.9005, c=0.95, normalization="none")]
    alone = [card_of(both, {"model": "resnet20", "normalization": norm}) for norm in ("batch", "none")]
    assert [one.default for one in alone] == ["a", "c"]
    both = [*rows(**values), *rows(a=0.9, b=0.9005, normalization="none")]
    found = card_of(both)
    assert [one.default.name for one in found.advice] == [found.default, found.default]
    (first, second) = json.loads(render(sheet(found, CURRENTLY), "json"))["costs"]
    assert first["other"] == second["other"] == found.default


@pytest.mark.parametrize(("spread", "named"), [(0.04, True), (0.002, False)])
def test_an_arm_that_can_be_better_by_no_more_than_the_margin_is_not_named_as_a_rival(card_of, arm, spread, named):
    values = [0.9 + spread * place for place in (-1, 1, -1, 1, 1, -1)]
    found = card_of([*arm("a", values), *arm("b", values[::-1])])
    assert any("may be up to" in one for one in say.change(found)) == named


def test_between_looks_no_verdict_is_due_and_the_card_says_so(card_of, rows):
    found = card_of(rows(7, a=0.9, b=0.5), looks=[10, 20])
    assert "No verdict is due yet" in " ".join(say.take(found))
    assert found.shown("b") == "not shown to be worse"


def test_every_setting_is_printed_as_text_and_as_a_page(card_of, rows):
    found = card_of([*rows(he_normal=0.9, orthogonal=0.8), *rows(he_normal=0.9, orthogonal=0.8, activation="tanh")])
    text, page = (render(sheet(found, CURRENTLY), format) for format in ("text", "markdown"))
    assert '        nn.init.kaiming_normal_(w, nonlinearity="relu")' in text
    assert "```python\nfrom bench import initialize\n" in page
    assert "activation=tanh" in text


def test_the_page_of_a_report_has_the_same_advice(make_study, rows):
    summary = make_study([*rows(a=0.9, b=0.8), *rows(a=0.9, b=0.8, activation="tanh")], question=[])
    table = take(summary)
    assert [[cell.text for cell in line][-5:] for line in table.lines] == [["a", "-", "-", "-", "b"]] * 2
    assert evidence(summary)["take"][0].startswith("Take a in all 2 settings.")
