import math
import random
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.report import Summary, frame, render, sheet, summarize
from bench.report.analysis.frame import arms, pairs
from bench.report.terminal import FORMATS
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


def test_the_means_and_intervals_are_those_that_pandas_finds_in_the_rows(study: list[Row]) -> None:
    lines = table(summarize(study, 0.3))
    runs = frame(study)
    for _, line in lines.iterrows():
        here = (runs["normalization"] == line["normalization"]) & (runs["initializer"] == line["initializer"])
        values = runs.loc[here & (runs["status"] == "ok"), "test_accuracy"]
        reach = stats.t.ppf(0.975, len(values) - 1) * values.std() / math.sqrt(len(values))
        assert line["test_accuracy_mean"] == pytest.approx(values.mean())
        assert line["test_accuracy_low"] == pytest.approx(values.mean() - reach)
        assert line["test_accuracy_high"] == pytest.approx(values.mean() + reach)
        assert line["first_epoch_accuracy_mean"] == 0.5
        assert line["seconds_mean"] == 2


def test_every_run_is_counted_once_under_its_status(study: list[Row]) -> None:
    summary = summarize(study, 0.3)
    statuses = table(summary)[["converged", "diverged", "failed", "preempted"]].sum()
    assert summary.counts == {"ok": 33, "diverged": 1, "failed": 1, "preempted": 1}
    assert list(statuses) == list(summary.counts.values())
    assert table(summary)["runs"].sum() == len(study)


def test_the_divergence_rate_leaves_out_runs_that_never_ended(study: list[Row]) -> None:
    lines = table(summarize(study, 0.3))
    rate = lines[lines["normalization"] == "none"].set_index("initializer")["divergence_rate"]
    assert rate.to_dict() == {"a": 0, "b": pytest.approx(1 / 6), "c": 0}


def test_the_pairs_are_those_that_pandas_finds_in_the_rows(study: list[Row]) -> None:
    runs = frame(study)
    for pair in pairs(summarize(study, 0.3).findings):
        ok = runs[(runs["normalization"] == pair["normalization"]) & (runs["status"] == "ok")]
        wide = ok.pivot_table(index="seed", columns="initializer", values="test_accuracy")
        both = wide[[pair["initializer"], pair["other"]]].dropna()
        assert pair["seeds"] == len(both)
        assert pair["difference_points"] == pytest.approx(100 * (both.iloc[:, 0] - both.iloc[:, 1]).mean())


def test_a_diverged_run_never_vanishes(arm: MakeArm, row: MakeRow) -> None:
    rows = [*arm("a", [0.9, 0.9]), *arm("b", [0.9, 0.9]), row("lost", status="diverged")]
    summary = summarize(rows, 0.3)
    lost = table(summary).set_index("initializer").loc["lost"]
    assert (lost["diverged"], lost["divergence_rate"]) == (1, 1.0)
    assert pd.isna(lost["test_accuracy_mean"])
    assert all("lost" in render(sheet(summary), format) for format in FORMATS)


def test_the_order_of_the_rows_changes_nothing(study: list[Row]) -> None:
    expected = render(sheet(summarize(study, 0.3)), "json")
    for seed in range(3):
        shuffled = random.Random(seed).sample(study, len(study))
        assert render(sheet(summarize(iter(shuffled), 0.3)), "json") == expected


def test_runs_of_different_length_are_never_in_one_mean(arm: MakeArm) -> None:
    lines = table(summarize(arm("a", [0.5, 0.5], epochs=6) + arm("a", [0.9, 0.9], epochs=100), 0.3))
    assert lines[["epochs", "test_accuracy_mean"]].to_numpy().tolist() == [[6, 0.5], [100, 0.9]]


def test_a_choice_keeps_its_type_beside_a_block_that_lacks_it(row: MakeRow) -> None:
    summary = summarize([row(model="plain"), row(model__width=8), row(model__width=16)], 0.3)
    assert [finding.choices["model.width"] for finding in summary.findings] == [None, 8, 16]


def test_a_single_seed_has_a_mean_no_interval_and_no_decision(arm: MakeArm) -> None:
    summary = summarize(arm("a", [0.9]) + arm("b", [0.1]), 0.3)
    assert table(summary)["test_accuracy_mean"].tolist() == [0.9, 0.1]
    assert table(summary)[["test_accuracy_low", "test_accuracy_high"]].isna().all(axis=None)
    assert [pair.verdict for pair in summary.findings[0].pairs] == ["undecided"]
    assert verdicts(summary) == ["undecided"]


def test_identical_accuracies_are_equivalent_and_no_interval_is_narrower_than_an_image(arm: MakeArm) -> None:
    summary = summarize(arm("a", [0.9] * 5) + arm("b", [0.9] * 5), 0.3)
    (pair,) = summary.findings[0].pairs
    assert (pair.difference_points, pair.p_holm, pair.verdict) == (0, 1, "equivalent")
    width = table(summary)["test_accuracy_high"] - table(summary)["test_accuracy_low"]
    assert (width > 1e-4).all()


def test_an_interval_of_accuracy_ends_where_accuracy_ends(arm: MakeArm) -> None:
    lines = table(summarize(arm("a", [1.0, 0.99, 1.0]), 0.3))
    assert lines["test_accuracy_high"].item() == 1


@pytest.mark.parametrize(("verdict", "accuracies"), [("matters", [0.5, 0.501]), ("does not matter", [0.9, 0.9002])])
def test_a_block_is_judged_by_its_pairs(arm: MakeArm, verdict: str, accuracies: list[float]) -> None:
    rows = arm("a", [0.9, 0.9001] * 3) + arm("b", accuracies * 3)
    assert verdicts(summarize(rows, 0.3)) == [verdict]


def test_a_divergence_keeps_equal_means_from_being_called_no_matter(arm: MakeArm, row: MakeRow) -> None:
    rows = [*arm("a", [0.9] * 5), *arm("b", [0.9] * 5), row("b", 5, status="diverged")]
    assert verdicts(summarize(rows, 0.3)) == ["undecided"]


def test_divergence_alone_can_decide_a_block(arm: MakeArm, row: MakeRow) -> None:
    rows = [*arm("a", [0.9] * 4), *[row("b", seed, status="diverged") for seed in range(4)]]
    assert verdicts(summarize(rows, 0.3)) == ["matters"]


def test_two_test_sets_in_one_block_are_refused(arm: MakeArm) -> None:
    rows = arm("a", [0.9, 0.9]) + arm("b", [0.9], environment={"test_images": 360, "classes": 10})
    with pytest.raises(UserError, match="10000 and 360 test_images"):
        summarize(rows, 0.3)


def test_an_ok_run_without_an_accuracy_is_refused_and_named(row: MakeRow) -> None:
    signal = row("a", accuracy=None, task="signal")
    with pytest.raises(UserError, match=rf"{signal.id} \(task signal\) is ok but has no test_accuracy"):
        summarize([signal], 0.3)


def test_a_status_nobody_knows_is_refused(row: MakeRow) -> None:
    with pytest.raises(UserError, match="'lost'"):
        summarize([row(status="lost")], 0.3)


def test_no_rows_are_an_error_and_not_an_empty_report() -> None:
    with pytest.raises(UserError, match="no rows"):
        summarize([], 0.3)
