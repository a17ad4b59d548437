"""What a study declares, as the rules by which it is judged."""

from dataclasses import replace

import pytest

from bench.machine.settings import Settings
from bench.report.analysis.rules import Margin, Rules


@pytest.mark.parametrize(
    ("declared", "best", "points"),
    [(1.0, 0.9, 1.0), (2, 0.999, 2), ("25%", 0.98, 0.5), ("25 %", 0.5, 12.5), ("100%", 0.9, 10.0), ("2.5%", 0.6, 1.0)],
)
def test_a_margin_is_points_or_a_share_of_the_better_arms_error(
    declared: float | str, best: float, points: float
) -> None:
    assert Margin.of(declared).against(best, 0.01) == pytest.approx(points)


def test_the_error_of_an_arm_without_errors_counts_as_one_image() -> None:
    assert Margin.of("50%").against(1.0, 0.25) == 0.125


def test_the_rules_are_those_that_the_study_declares(settings: Settings) -> None:
    study = replace(settings.study, margin="25%", rate_margin=0.2, line=0.3, question=["a", "b"], looks=[5, 10])
    assert Rules.of(study) == Rules(Margin(share=0.25), 0.2, 0.3, ("a", "b"), (5, 10))


def test_a_study_of_the_users_own_has_a_point_a_tenth_and_four_looks(settings: Settings) -> None:
    assert Rules.of(settings.study) == Rules(Margin(points=1.0), 0.1, 0.1, (), (5, 10, 20, 40))


def test_the_threshold_lies_the_line_of_the_way_from_chance_to_one(rules: Rules) -> None:
    assert [rules.threshold(classes) for classes in (2, 10, 100, None)] == pytest.approx([0.55, 0.19, 0.109, 0.1])
