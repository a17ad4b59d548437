import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]
from statsmodels.stats.weightstats import ttost_paired  # type: ignore[import-untyped]

from bench.report.analysis.pairs import compare, scaled_margin, seen_from

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]


def seeds(center: float, noise: list[float] | None = None) -> dict[int, float]:
    return {seed: center + step for seed, step in enumerate(NOISE if noise is None else noise)}


def test_pairs_are_tested_and_adjusted_over_the_family_of_the_block() -> None:
    arms = {"a": seeds(0.95), "b": seeds(0.94, NOISE[::-1]), "c": seeds(0.939, NOISE[1:] + NOISE[:1])}
    pairs = compare(arms, 0.3)
    points = {arm: 100 * np.array(list(accuracies.values())) for arm, accuracies in arms.items()}
    p = [stats.ttest_rel(points[pair.initializer], points[pair.other]).pvalue for pair in pairs]
    tost = [ttost_paired(points[pair.initializer], points[pair.other], -0.3, 0.3)[0] for pair in pairs]
    assert [(pair.initializer, pair.other) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.p_holm for pair in pairs] == pytest.approx(multipletests(p, method="holm")[1])
    assert [pair.equivalence_p_holm for pair in pairs] == pytest.approx(multipletests(tost, method="holm")[1])


def test_arms_far_apart_are_different_and_the_difference_is_in_points() -> None:
    (pair,) = compare({"a": seeds(0.95), "b": seeds(0.90, NOISE[::-1])}, 0.3)
    assert (pair.verdict, pair.seeds) == ("different", 5)
    assert pair.difference_points == pytest.approx(5.0)


def test_arms_close_together_are_equivalent() -> None:
    (pair,) = compare({"a": seeds(0.95), "b": seeds(0.9501, NOISE[::-1])}, 1.0)
    assert pair.verdict == "equivalent"


def test_a_real_difference_smaller_than_the_margin_is_equivalent_and_keeps_its_p() -> None:
    slightly = [step + wobble for step, wobble in zip(NOISE, (0, 1e-4, -1e-4, 1e-4, 0), strict=True)]
    (pair,) = compare({"a": seeds(0.951), "b": seeds(0.95, slightly)}, 1.0)
    assert pair.verdict == "equivalent"
    assert pair.p_holm is not None
    assert pair.p_holm < 0.05


def test_noise_wider_than_the_margin_is_undecided() -> None:
    (pair,) = compare({"a": seeds(0.95, [0.02, -0.02, 0.01]), "b": seeds(0.95, [-0.02, 0.01, 0.02])}, 0.3)
    assert pair.verdict == "undecided"


def test_only_seeds_where_both_converged_are_paired() -> None:
    (pair,) = compare({"a": {0: 0.9, 1: 0.8, 2: 0.7}, "b": {2: 0.6, 1: 0.5, 7: 0.1}}, 0.3)
    assert pair.seeds == 2
    assert pair.difference_points == pytest.approx(20.0)


def test_one_shared_seed_gives_a_difference_without_interval_and_none_gives_nothing() -> None:
    one, none, _ = compare({"a": {0: 0.9}, "b": {0: 0.8}, "c": {5: 0.9}}, 0.3)
    assert one.difference_points == pytest.approx(10)
    assert (one.low_points, one.p_holm, one.verdict) == (None, None, "undecided")
    assert (none.seeds, none.difference_points, none.verdict) == (0, None, "undecided")


def test_an_arm_without_a_converged_run_is_in_no_pair() -> None:
    assert [(pair.initializer, pair.other) for pair in compare({"a": {0: 0.9}, "b": {}, "c": {0: 0.9}}, 0.3)] == [
        ("a", "c")
    ]


def test_identical_accuracies_are_equivalent_once_there_are_enough_seeds_for_one_image() -> None:
    image = 100 / 360
    verdicts = [
        compare({"a": dict.fromkeys(range(n), 1.0), "b": dict.fromkeys(range(n), 1.0)}, image, image)[0].verdict
        for n in (2, 20)
    ]
    assert verdicts == ["undecided", "equivalent"]


def test_a_pair_turned_around_is_the_pair_of_the_other_order() -> None:
    a, b = seeds(0.95), seeds(0.90, NOISE[::-1])
    (there,), (back,) = compare({"a": a, "b": b}, 0.3), compare({"b": b, "a": a}, 0.3)
    turned = there.turned()
    assert (turned.initializer, turned.other) == ("b", "a")
    assert turned.difference_points == pytest.approx(back.difference_points)
    assert (turned.low_points, turned.high_points) == pytest.approx((back.low_points, back.high_points))
    assert [pair.initializer for pair in seen_from("b", [there])] == ["b"]


@pytest.mark.parametrize(("images", "expected"), [(10_000, 0.3), (50_000, 0.3), (2_500, 0.6), (None, 0.3)])
def test_the_margin_grows_with_the_noise_of_a_small_test_set_and_never_shrinks(
    images: int | None, expected: float
) -> None:
    assert scaled_margin(0.3, images) == pytest.approx(expected)
