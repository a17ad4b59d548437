from collections.abc import Callable

import pytest

from bench.report import Summary
from bench.report.wording import study as words
from bench.schema import Row

Make = Callable[..., Summary]
MakeArm = Callable[..., list[Row]]


def test_the_spread_of_a_block_is_from_its_best_arm_to_its_worst(make_study: Make, arm: MakeArm) -> None:
    study = make_study([*arm("he_normal", [0.9, 0.8]), *arm("fixup", [0.6, 0.7])])
    assert "0.0 points of validation accuracy" in words.spread(study)
    assert "20.0 points of test accuracy at the end, in the median of 1 block" in words.spread(study)


def test_the_margin_is_told_as_stated_and_as_used(make_study: Make, arm: MakeArm) -> None:
    small = {"environment": {"test_images": 2_500, "classes": 10}}
    study = make_study([*arm("he_normal", [0.9, 0.8], **small), *arm("fixup", [0.6, 0.7], **small)])
    assert words.judged(study) == (
        "Study mine states 0.3 points, which makes 0.60 on its test sets; each family of tests has the level 0.05."
    )


def test_each_arm_has_its_best_learning_rate_where_they_vary(make_study: Make, arm: MakeArm) -> None:
    reached = {("he_normal", 0.1): 0.9, ("he_normal", 0.01): 0.8, ("fixup", 0.1): 0.5, ("fixup", 0.01): 0.6}
    rows = [
        row for (name, rate), top in reached.items() for row in arm(name, [top, top], optimizer__learning_rate=rate)
    ]
    assert words.learning_rates(make_study(rows)).endswith("of fixup at 0.01; he_normal at 0.1.")
    assert words.learning_rates(make_study(arm("fixup", [0.9]), question=[])) == ""


def test_the_seeds_that_the_margin_needs_are_counted(study: Summary) -> None:
    assert words.power(study).endswith("has the seeds it takes in 0 of 2 blocks.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer__learning_rate": 0.05}, "all runs share a learning rate of 0.05"),
        ({"epochs": 6}, "6 epochs on digits"),
        ({"environment": {"test_images": 360, "classes": 10}}, "one of 360 test images is 0.28 points"),
        ({"environment": {"git_dirty": True}}, "4 runs of study mine were made from sources with uncommitted changes"),
    ],
)
def test_threats_are_those_of_the_rows(
    make_study: Make, arm: MakeArm, change: dict[str, object], sentence: str
) -> None:
    study = make_study([*arm("he_normal", [0.9, 0.8], **change), *arm("fixup", [0.6, 0.7], **change)])
    assert sentence in " ".join(words.threats(study))


def test_an_undecided_block_is_no_evidence_of_equality(study: Summary) -> None:
    assert "In 1 of 2 blocks the runs are too few or too spread to decide" in " ".join(words.threats(study))
