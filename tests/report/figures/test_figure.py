"""The figures: what they show is what the rows say, and the same rows draw the same bytes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from scipy import stats

from bench.report import summarize
from bench.report.analysis.finding import Finding
from bench.report.analysis.overall import Ranks
from bench.report.analysis.rules import Margin, Rules
from bench.report.analysis.summary import Summary
from bench.report.document import Figure
from bench.report.figures import figures, style
from bench.report.figures.against import against
from bench.report.figures.curves import band, curves
from bench.report.figures.differences import differences
from bench.report.figures.first_against_final import first_against_final, rank_correlation
from bench.report.figures.learning_rate import learning_rate
from bench.report.figures.ranks import ranks
from bench.report.figures.rates import rates
from bench.report.statistics import mean
from bench.report.wording.answer import verdict
from bench.schema import Row

MakeRow = Callable[..., Row]
Make = Callable[..., list[Row]]
Draw = Callable[[Sequence[Finding]], Figure | None]
ARMS = ("he_normal", "fixup", "dirac")


@pytest.fixture
def make(row: MakeRow) -> Make:
    """Rows of some arms in a block per activation, with curves of three epochs; each accuracy is its own."""

    def rows(arms: Sequence[str] = ARMS, activations: Sequence[str] = ("relu", "tanh"), seeds: int = 4, **more: Any):
        generator = np.random.default_rng(1)
        made = []
        for activation in activations:
            for place, arm in enumerate(arms):
                for seed in range(seeds):
                    accuracy = round(0.9 - 0.05 * place + float(generator.normal(0, 0.01)), 4)
                    made.append(with_curve(row(arm, seed, accuracy, activation=activation, **more), accuracy))
        return made

    return rows


def with_curve(row: Row, accuracy: float) -> Row:
    values = (accuracy / 3, accuracy / 2, accuracy)
    curve = [{"epoch": epoch, "validation_accuracy": value} for epoch, value in enumerate(values, 1)]
    return replace(row, curve=curve, measures=row.measures | {"first_epoch_accuracy": values[0]})


def lost(row: Row) -> Row:
    return replace(row, status="diverged", measures=row.measures | {"test_accuracy": None})


def stalled(row: Row) -> Row:
    reached = {"test_accuracy": 0.1, "validation_accuracy": 0.1}
    return replace(row, measures=row.measures | reached)


def summary_of(rows: Sequence[Row], arms: Sequence[str] = ()) -> Summary:
    return summarize(rows, Rules(Margin(points=0.3), rate_margin=0.1, line=0.1, question=tuple(arms)))


def drawn(rows: Sequence[Row], arms: Sequence[str] = ()) -> dict[str, Figure]:
    return figures(summary_of(rows, arms))


def one(draw: Draw, rows: Sequence[Row]) -> Figure:
    with style.styled():
        figure = draw(summary_of(rows).findings)
    assert figure
    return figure


def tips(figure: Figure) -> list[str]:
    return re.findall("<title>(.*?)</title>", figure.svg)


def test_rows_that_have_everything_are_drawn_in_every_figure(make: Make) -> None:
    rows = make() + make(optimizer__learning_rate=0.1)
    rows[0] = lost(rows[0])
    found = drawn(rows, ARMS[:2])
    assert {"rates", "curves", "first_against_final", "learning_rate", "differences", "against"} <= set(found)
    assert all(figure.name == name for name, figure in found.items())


def test_what_the_rows_have_nothing_for_is_not_drawn(row: MakeRow) -> None:
    assert set(drawn([row()])) == {"rates"}
    assert set(drawn([row(status="failed")])) == set()


def test_the_order_of_the_rows_changes_no_byte(make: Make) -> None:
    rows = make()
    assert drawn(rows, ARMS[:2]) == drawn(rows[::-1], ARMS[:2])


def test_the_settings_of_a_users_matplotlib_change_no_byte(make: Make) -> None:
    rows = make()
    expected = drawn(rows, ARMS[:2])
    mine = {"font.size": 30, "axes.grid": True, "svg.hashsalt": "x", "svg.fonttype": "none", "savefig.dpi": 10}
    with matplotlib.rc_context(mine):
        assert drawn(rows, ARMS[:2]) == expected


def test_letters_are_of_the_font_that_matplotlib_brings_along() -> None:
    from matplotlib import font_manager

    with style.styled():
        assert font_manager.findfont(font_manager.FontProperties()).startswith(matplotlib.get_data_path())


def test_another_row_is_another_drawing_another_tooltip_and_another_alt(make: Make) -> None:
    rows = make()
    changed = [*rows[:-1], with_curve(replace(rows[-1], measures=rows[-1].measures | {"test_accuracy": 0.99}), 0.99)]
    for draw in (rates, curves, first_against_final):
        before, after = one(draw, rows), one(draw, changed)
        assert before.svg != after.svg
        assert tips(before) != tips(after)
    assert one(curves, rows).alt != one(curves, changed).alt


def test_a_mark_tells_the_rate_and_the_accuracy_of_the_summary(make: Make) -> None:
    rows = make()
    rows[0], rows[1] = lost(rows[0]), stalled(rows[1])
    found = tips(one(rates, rows))
    for finding in summary_of(rows).findings:
        for arm in finding.arms:
            assert arm.rate
            assert arm.accuracy
            value, low, high = (
                100 * end for end in (arm.accuracy.value, arm.accuracy.low or 0, arm.accuracy.high or 0)
            )
            share = f"{100 * arm.rate.value:.0f} [{100 * (arm.rate.low or 0):.0f}, {100 * (arm.rate.high or 0):.0f}] %"
            others = ", 1 stalled, 1 diverged" if arm.trained < 4 else ""
            assert (
                f"{arm.name}, {finding.title}: {arm.trained} of 4 runs trained{others}, {share}; "
                f"{value:.2f} % [{low:.2f}, {high:.2f}], n = {arm.trained}"
            ) in found


def test_an_arm_that_never_trains_is_drawn_and_named(make: Make) -> None:
    rows = [stalled(row) if row.choices["initializer"] == "dirac" else row for row in make(activations=["relu"])]
    figure = one(rates, rows)
    assert any(tip.endswith("0 of 4 runs trained, 4 stalled, 0 [0, 49] %; no trained run") for tip in tips(figure))
    assert "trained dirac 0 of 4" in figure.alt
    assert set(drawn([stalled(row) for row in rows])) >= {"rates"}


def test_a_curve_tells_where_it_ends(make: Make) -> None:
    rows = make(activations=["relu"])
    found = tips(one(curves, rows))
    for arm in ARMS:
        values = [100 * row.measures["test_accuracy"] for row in rows if row.choices["initializer"] == arm]
        end = mean(values)
        told = f"after the last epoch {end.value:.2f} % [{end.low:.2f}, {end.high:.2f}], n = 4"
        assert any(tip.startswith(f"{arm}, ") and tip.endswith(told) for tip in found)


def test_the_band_of_a_curve_is_the_t_interval_at_each_epoch() -> None:
    runs = np.random.default_rng(0).normal(50, 5, size=(5, 3))
    center, low, high = band(runs)
    assert low is not None
    assert high is not None
    for epoch in range(3):
        expected = mean(runs[:, epoch])
        found = center[epoch], low[epoch], high[epoch]
        assert found == pytest.approx((expected.value, expected.low, expected.high))
    assert band(runs[:1])[1:] == (None, None)
    assert band(np.array([[99.0], [100.0]]))[2] == 100


def test_a_run_that_did_not_train_is_in_no_curve_and_the_caption_counts_it(make: Make) -> None:
    rows = make(activations=["relu"])
    rows[0], rows[1] = lost(rows[0]), stalled(rows[1])
    figure = one(curves, rows)
    assert "n = 2" in " ".join(tips(figure))
    assert "In no mean: 1 stalled and 1 diverged of these runs." in figure.caption


def test_a_single_seed_has_no_interval_and_the_caption_says_so(make: Make) -> None:
    for draw in (rates, curves):
        figure = one(draw, make(seeds=1))
        assert "there is no interval" in figure.caption
        assert not any("[" in tip.rpartition(";")[2] for tip in tips(figure))  # a rate has one


def test_the_rank_correlation_is_spearmans() -> None:
    points = np.random.default_rng(0).integers(0, 5, (30, 2)).astype(float)  # with ties
    assert rank_correlation(points) == pytest.approx(stats.spearmanr(*points.T).statistic)
    assert rank_correlation(np.array([[1.0, 2.0], [1.0, 3.0]])) is None


def test_the_differences_are_those_of_the_question(make: Make) -> None:
    rows = make()
    summary = summary_of(rows, ARMS[:2])
    assert summary.question
    with style.styled():
        figure = differences(summary.question)
    found = tips(figure) if figure else []
    for finding, pair in summary.question.pairs:
        difference = (
            f"{pair.accuracy.difference:+.2f} [{pair.accuracy.low:.2f}, {pair.accuracy.high:.2f}] points, n = 4"
        )
        trained = "he_normal 4 of 4 runs trained; fixup 4 of 4 runs trained"
        assert f"{finding.name}: {difference}; {trained}: {verdict(pair)}" in found
        assert f"{finding.name}: the margin, 0.30 points" in found


def test_a_block_where_an_arm_never_trains_is_among_the_differences(make: Make) -> None:
    rows = [
        stalled(row) if (row.choices["initializer"], row.choices["activation"]) == ("fixup", "tanh") else row
        for row in make(seeds=8)
    ]
    with style.styled():
        figure = differences(summary_of(rows, ARMS[:2]).question)
    assert figure
    assert "tanh: he_normal 8 of 8 runs trained; fixup 0 of 8 runs trained, 8 stalled: different" in tips(figure)


def test_every_arm_stands_against_the_second_of_the_question(make: Make) -> None:
    rows = [
        stalled(row) if (row.choices["initializer"], row.choices["seed"]) == ("dirac", 0) else row
        for row in make(seeds=6)
    ]
    summary = summary_of(rows, ARMS[:2])
    assert summary.question
    with style.styled():
        figure = against(summary.findings, summary.question)
    found = {*tips(figure)} if figure else set()  # a mark and its intervals share one
    for finding, pair in summary.question.pairs:
        difference = (
            f"{pair.accuracy.difference:+.2f} [{pair.accuracy.low:.2f}, {pair.accuracy.high:.2f}] points, n = 6"
        )
        assert any(tip.startswith(f"he_normal, {finding.name}: {difference}") for tip in found)
        (dirac,) = (tip for tip in found if tip.startswith(f"dirac, {finding.name}: "))
        assert "n = 5; dirac 5 of 6 runs trained, 1 stalled; fixup 6 of 6 runs trained" in dirac
    assert len(found) == 4
    assert against(summary.findings, None) is None
    assert "against" not in drawn(make(ARMS[:2]), ARMS[:2])  # the figure of the question has it all


@pytest.mark.parametrize(("accuracy", "bent"), [(0.1, True), (0.89, False)])
def test_a_scale_bends_only_where_a_difference_dwarfs_the_margin(make: Make, accuracy: float, bent: bool) -> None:
    rows = [
        replace(row, measures=row.measures | {"test_accuracy": accuracy + row.choices["seed"] / 10_000})
        if row.choices["initializer"] == "fixup"
        else replace(row, measures=row.measures | {"test_accuracy": 0.9})
        for row in make(ARMS[:2])
    ]
    with style.styled():
        figure = differences(summary_of(rows, ARMS[:2]).question)
    assert figure
    assert ("logarithmic" in figure.caption) is bent


def test_a_learning_rate_where_nothing_trained_is_a_cross_that_counts(make: Make) -> None:
    rows = make(activations=["relu"]) + [lost(row) for row in make(activations=["relu"], optimizer__learning_rate=5.0)]
    figure = one(learning_rate, rows)
    assert sum("0 of 4 runs trained, 4 diverged" in tip for tip in tips(figure)) == len(ARMS)
    assert "at 0.05" in figure.alt


def test_one_learning_rate_is_no_sensitivity(make: Make) -> None:
    rows = make()
    assert learning_rate(summary_of(rows).findings) is None


def test_a_diagram_of_ranks_joins_the_arms_of_a_group() -> None:
    means, groups = {"a": 1.25, "b": 1.75, "c": 3.0}, (("a", "b"), ("b", "c"))
    found = Ranks(means, blocks=4, statistic=6.5, p=0.04, critical_difference=1.66, alpha=0.05, groups=groups, pairs={})
    with style.styled():
        figure = ranks(found)
    assert figure
    assert {"not shown to differ: a, b", "not shown to differ: b, c", "a: mean rank 1.25, n = 4 blocks"} <= set(
        tips(figure)
    )
    assert "a 1.25; b 1.75; c 3.00. Critical difference 1.66" in figure.alt
    assert ranks(None) is None


@pytest.mark.parametrize(
    ("draw", "arms", "blocks", "shown"),
    [(rates, 60, 2, "Of 60 arms 24"), (rates, 2, 60, "Of 60 blocks 30"), (curves, 2, 60, "Of 60 blocks 24")],
)
def test_what_has_no_room_is_left_out_and_counted(make: Make, draw: Draw, arms: int, blocks: int, shown: str) -> None:
    assert f"{shown} are shown" in one(draw, many(make, arms, blocks)).caption


@pytest.mark.parametrize(("draw", "arms", "blocks"), [(rates, 1, 1), (rates, 10, 24), (rates, 60, 3), (curves, 12, 8)])
def test_a_figure_fits_a_page(make: Make, draw: Draw, arms: int, blocks: int) -> None:
    figure = one(draw, many(make, arms, blocks))
    size = re.search(r'^<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"', figure.svg)
    assert size
    assert float(size[1]) == pytest.approx(72 / style.INCH * style.FULL, abs=0.1)
    assert float(size[2]) <= 72 / style.INCH * style.TALLEST + 0.1


def many(make: Make, arms: int, blocks: int) -> list[Row]:
    """One seed of each arm in each block, and a run that diverged."""
    rows = make([f"a_rather_long_name_{place}" for place in range(arms)], [f"f{place}" for place in range(blocks)], 1)
    return [lost(replace(rows[0], id="0")), *rows]
