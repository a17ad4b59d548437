import math
import random
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.report import FORMATS, Summary, frame, render, sheet, summarize
from bench.report.analysis.frame import arms, pairs
from bench.report.analysis.rules import Rules
from bench.schema import Row, UserError

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def table(summary: Summary) -> pd.DataFrame:
    """One line per arm in a block."""
    return pd.DataFrame(arms(summary.findings))


def verdicts(summary: Summary) -> list[str]:
    return [finding.verdict for finding in summary.findings]


@pytest.fixture
def study(row: MakeRow) -> list[Row]:
    """Two blocks, three arms, six seeds; some runs diverged, failed or were preempted."""
    generator = np.random.default_rng(1)
    status = {("none", "b", 1): "diverged", ("none", "c", 2): "failed", ("none", "c", 3): "preempted"}
    return [
        row(
            arm,
            seed,
            round(float(generator.normal(0.9, 0.01)), 4),
            status.get((kind, arm, seed), "ok"),
            normalization=kind,
        )
        for kind in ("none", "batch")
        for arm in "abc"
        for seed in range(6)
    ]


def test_the_means_and_intervals_are_those_that_pandas_finds_in_the_rows(study: list[Row], rules: Rules) -> None:
    lines = table(summarize(study, rules))
    runs = frame(study)
    for _, line in lines.iterrows():
        here = (runs["normalization"] == line["normalization"]) & (runs["initializer"] == line["initializer"])
        values = runs.loc[here & (runs["status"] == "ok"), "test_accuracy"]
        reach = stats.t.ppf(0.975, len(values) - 1) * values.std() / math.sqrt(len(values))
        assert line["accuracy_mean"] == pytest.approx(values.mean())
        assert line["accuracy_low"] == pytest.approx(values.mean() - reach)
        assert line["accuracy_high"] == pytest.approx(values.mean() + reach)
        assert line["first_epoch_accuracy_mean"] == 0.5
        assert line["seconds_mean"] == 2


def test_every_run_is_counted_once_under_its_outcome(study: list[Row], rules: Rules) -> None:
    study[0].measures["validation_accuracy"] = 0.1
    summary = summarize(study, rules)
    counts = {"trained": 32, "stalled": 1, "diverged": 1, "failed": 1, "preempted": 1}
    assert summary.counts == counts
    assert table(summary)[list(counts)].sum().to_dict() == counts
    assert table(summary)["runs"].sum() == len(study)


def test_the_training_rate_leaves_out_runs_that_never_ended(study: list[Row], rules: Rules) -> None:
    lines = table(summarize(study, rules))
    rate = lines[lines["normalization"] == "none"].set_index("initializer")["training_rate"]
    assert rate.to_dict() == {"a": 1, "b": pytest.approx(5 / 6), "c": 1}


def test_the_pairs_are_those_that_pandas_finds_in_the_rows(study: list[Row], rules: Rules) -> None:
    runs = frame(study)
    summary = summarize(study, rules)
    records = pairs((finding, pair) for finding in summary.findings for pair in finding.pairs)
    assert len(records) == 6
    for pair in records:
        here = runs[runs["normalization"] == pair["normalization"]]
        ok = here[here["status"] == "ok"]
        wide = ok.pivot_table(index="seed", columns="initializer", values="test_accuracy")
        both = wide[[pair["initializer"], pair["other"]]].dropna()
        assert pair["seeds"] == len(both)
        assert pair["accuracy_difference"] == pytest.approx(100 * (both.iloc[:, 0] - both.iloc[:, 1]).mean())
        ended = here[here["status"].isin(["ok", "diverged"])]
        rates = (ended["status"] == "ok").groupby(ended["initializer"]).mean()
        assert pair["rate_difference"] == pytest.approx(100 * (rates[pair["initializer"]] - rates[pair["other"]]))


def test_a_diverged_run_never_vanishes(arm: MakeArm, row: MakeRow, rules: Rules) -> None:
    rows = [*arm("a", [0.9, 0.9]), *arm("b", [0.9, 0.9]), row("lost", status="diverged")]
    summary = summarize(rows, rules)
    lost = table(summary).set_index("initializer").loc["lost"]
    assert (lost["diverged"], lost["training_rate"], lost["accuracy_of_all_mean"]) == (1, 0, 0.1)
    assert pd.isna(lost["accuracy_mean"])
    assert all("lost" in render(sheet(summary), format) for format in FORMATS)


def test_the_order_of_the_rows_changes_nothing(study: list[Row], rules: Rules) -> None:
    expected = render(sheet(summarize(study, rules)), "json")
    for seed in range(3):
        shuffled = random.Random(seed).sample(study, len(study))
        assert render(sheet(summarize(iter(shuffled), rules)), "json") == expected


def test_runs_of_different_length_are_never_in_one_mean(arm: MakeArm, rules: Rules) -> None:
    lines = table(summarize(arm("a", [0.5, 0.5], epochs=6) + arm("a", [0.9, 0.9], epochs=100), rules))
    assert lines[["epochs", "accuracy_mean"]].to_numpy().tolist() == [[6, 0.5], [100, 0.9]]


def test_a_choice_keeps_its_type_beside_a_block_that_lacks_it(row: MakeRow, rules: Rules) -> None:
    summary = summarize([row(model="plain"), row(model__width=8), row(model__width=16)], rules)
    assert [finding.choices["model.width"] for finding in summary.findings] == [None, 8, 16]


def test_a_single_seed_has_a_mean_no_interval_and_no_decision(arm: MakeArm, rules: Rules) -> None:
    summary = summarize(arm("a", [0.9]) + arm("b", [0.5]), rules)
    assert table(summary)["accuracy_mean"].tolist() == [0.9, 0.5]
    assert table(summary)[["accuracy_low", "accuracy_high"]].isna().all(axis=None)
    assert [pair.verdict for pair in summary.findings[0].pairs] == ["undecided"]
    assert verdicts(summary) == ["undecided"]


def test_no_interval_is_narrower_than_an_image(arm: MakeArm, rules: Rules) -> None:
    summary = summarize(arm("a", [0.9] * 5) + arm("b", [0.9] * 5), rules)
    (pair,) = summary.findings[0].pairs
    assert (pair.accuracy.difference, pair.accuracy.p_adjusted, pair.accuracy.verdict) == (0, 1, "equivalent")
    lines = table(summary)
    assert (lines["accuracy_high"] - lines["accuracy_low"] > 1e-4).all()


def test_an_interval_of_accuracy_ends_where_accuracy_ends(arm: MakeArm, rules: Rules) -> None:
    lines = table(summarize(arm("a", [1.0, 0.99, 1.0]), rules))
    assert lines["accuracy_high"].item() == 1


def test_two_test_sets_in_one_block_are_refused(arm: MakeArm, rules: Rules) -> None:
    rows = arm("a", [0.9, 0.9]) + arm("b", [0.9], environment={"test_images": 360, "classes": 10})
    with pytest.raises(UserError, match="10000 and 360 test_images"):
        summarize(rows, rules)


@pytest.mark.parametrize("measure", ["test_accuracy", "validation_accuracy"])
def test_an_ok_run_without_an_accuracy_is_refused_and_named(row: MakeRow, rules: Rules, measure: str) -> None:
    signal = row("a", task="signal")
    signal.measures[measure] = None
    with pytest.raises(UserError, match=rf"{signal.id} \(task signal\) is ok but has no {measure}"):
        summarize([signal], rules)


def test_a_status_nobody_knows_is_refused(row: MakeRow, rules: Rules) -> None:
    with pytest.raises(UserError, match="'lost'"):
        summarize([row(status="lost")], rules)


def test_no_rows_are_an_error_and_not_an_empty_report(rules: Rules) -> None:
    with pytest.raises(UserError, match="no rows"):
        summarize([], rules)
