from itertools import combinations

import pytest

from bench.report.statistics.tuning import basin, expected_best


def test_the_expected_best_of_k_is_the_mean_over_all_choices_of_k() -> None:
    scores = [0.3, 0.9, 0.1, 0.5, 0.5]
    by_hand = []
    for k in range(1, 6):
        bests = [max(choice) for choice in combinations(scores, k)]
        by_hand.append(sum(bests) / len(bests))
    assert expected_best(scores) == pytest.approx(by_hand)


@pytest.mark.parametrize("scores", [[], [0.1, float("nan")]])
def test_no_scores_and_no_numbers_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        expected_best(scores)


@pytest.mark.parametrize(
    ("scores", "span"),
    [
        ({1.0: 0.1, 4.0: 0.9, 16.0: 0.2}, (4.0, 4.0)),
        ({1.0: 0.89, 4.0: 0.9, 16.0: 0.891}, (1.0, 16.0)),
        ({1.0: 0.895, 4.0: 0.5, 16.0: 0.9}, (16.0, 16.0)),  # a valley parts it from the best
        ({1.0: 0.9, 4.0: 0.9, 16.0: 0.1}, (1.0, 4.0)),
    ],
)
def test_the_basin_reaches_as_far_as_every_score_is_within_the_margin(
    scores: dict[float, float], span: tuple[float, float]
) -> None:
    assert basin(scores, 0.01) == span
