import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.report import summarize
from bench.report.analysis.rules import Rules
from bench.report.wording import block
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]
Sentence = Callable[[list[Row]], str]

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]
OTHER = [0.001, -0.0005, 0.0, -0.001, 0.0005]


def around(center: float, noise: list[float] = NOISE) -> list[float]:
    return [center + step for step in noise]


@pytest.fixture
def sentence(rules: Rules) -> Sentence:
    def write(rows: list[Row]) -> str:
        (finding,) = summarize(rows, rules).findings
        return block.sentence(finding)

    return write


def test_a_worse_arm_is_named_with_the_size_of_the_difference(sentence: Sentence, arm: MakeArm) -> None:
    found = sentence(arm("he_normal", around(0.9)) + arm("torch_default", around(0.5, OTHER)))
    assert found.startswith("Leading, since no arm is shown to be better: he_normal 90.00 %. torch_default is worse")
    size, low, high = map(float, re.search(r"than he_normal: (\S+) \[(\S+), (\S+)\] points", found).groups())  # type: ignore[union-attr]
    assert size == -40
    assert low < -40 < high
    assert "Of 1 pair: different 1." in found


def test_arms_that_agree_are_equal_in_accuracy_and_the_rate_stays_open(sentence: Sentence, arm: MakeArm) -> None:
    found = sentence(arm("a", around(0.9)) + arm("b", around(0.9, OTHER)) + arm("c", around(0.9, OTHER[::-1])))
    assert found.startswith("All are equal in accuracy; the widest difference in accuracy is ")
    assert found.endswith("a difference in training rate above 10 points is not excluded.)")


def test_noise_is_undecided_with_the_widest_difference(sentence: Sentence, arm: MakeArm) -> None:
    rows = arm("a", [0.90, 0.92, 0.91]) + arm("b", [0.92, 0.89, 0.90]) + arm("c", [0.89, 0.90, 0.91])
    found = sentence(rows)
    assert found.startswith("No arm is shown to be better than another; the widest difference in accuracy is a over c")
    assert "Of 3 pairs: undecided 3." in found


def test_a_leading_set_has_every_arm_that_is_not_shown_to_be_worse(sentence: Sentence, arm: MakeArm) -> None:
    rows = arm("best", around(0.9)) + arm("twin", around(0.9, OTHER)) + arm("worst", around(0.5, OTHER))
    found = sentence([*rows, *arm("noisy", [0.88, 0.91, 0.90, 0.87, 0.92])])
    leading = found.partition("better: ")[2].partition(". ")[0]
    assert set(re.findall("[a-z]+", leading)) == {"best", "twin", "noisy"}
    assert "Of 6 pairs: different 3, equal in accuracy 1, undecided 2." in found


def test_an_arm_of_which_no_run_trains_is_worse_and_not_a_gap(sentence: Sentence, arm: MakeArm, row: MakeRow) -> None:
    lost = [row("lost", seed, 0.1, status="ok" if seed % 2 else "diverged") for seed in range(5)]
    found = sentence(lost + arm("calm", around(0.9)))
    assert found.startswith("Did not train: lost 5 of 5 (2 stalled and 3 diverged). Leading")
    assert "lost is worse than calm: trains in 0 of 5 against 5 of 5." in found


def test_arms_that_differ_both_ways_are_named_with_both_differences(sentence: Sentence, arm: MakeArm) -> None:
    rows = arm("often", around(0.8) * 4) + arm("sharp", around(0.9, OTHER) + [0.1] * 15)
    assert re.search(
        r"Of sharp and often, one trains more often, the other is more accurate: trains in 5 of 20 against 20 of 20, "
        r"\+10\.00 \[.*\] points of accuracy\.",
        sentence(rows),
    )


def test_failed_and_preempted_runs_are_named(sentence: Sentence, arm: MakeArm, row: MakeRow) -> None:
    lost = [row("b", 5, status="failed"), row("b", 6, status="preempted")]
    assert sentence(arm("a", around(0.9)) + arm("b", around(0.9)) + lost).startswith(
        "Without an outcome: b 1 failed, b 1 preempted."
    )


def test_an_arm_of_two_modes_is_said_to_have_too_short_an_interval(sentence: Sentence, arm: MakeArm) -> None:
    rows = arm("a", [0.9, 0.91, 0.5, 0.52, 0.9]) + arm("b", around(0.9))
    assert sentence(rows).startswith("a falls into two groups of accuracies, so that the interval is too short.")


def test_a_lone_arm_has_nothing_to_be_compared_with(sentence: Sentence, arm: MakeArm) -> None:
    assert sentence(arm("a", [0.9])) == "a has 90.00 %, n = 1 and nothing to be compared with."


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_block_where_no_run_trained_says_so(sentence: Sentence, row: MakeRow, status: str) -> None:
    assert sentence([row(name, status=status) for name in "ab"]).endswith("No run trained.")


def test_what_the_intervals_cover_is_said(sentence: Sentence, arm: MakeArm) -> None:
    rows = arm("a", around(0.9)) + arm("b", around(0.5, OTHER))
    assert "intervals cover seeds alone" in sentence(rows)
    drawn = [replace(row, choices={**row.choices, "dataset.split_seed": None}) for row in rows]
    assert "intervals cover seeds and splits" in sentence(drawn)


def test_a_difference_within_the_margin_is_not_left_out_of_a_block_that_is_undecided(
    sentence: Sentence, arm: MakeArm
) -> None:
    wide = [0.05, -0.05, 0.03, -0.03, 0.0]
    rows = arm("a", around(0.9) * 2) + arm("b", around(0.893, OTHER) * 2) + arm("c", around(0.9, wide) * 2)
    assert "No arm is shown to be better than another except within the margin; " in sentence(rows)


def test_one_seed_is_one_seed(sentence: Sentence, arm: MakeArm) -> None:
    assert "(Trained in both arms: 1 seed; margin" in sentence(arm("a", [0.9]) + arm("b", [0.8]))


def test_several_arms_of_two_modes_have_intervals(sentence: Sentence, arm: MakeArm) -> None:
    found = sentence(arm("a", [0.9, 0.3, 0.9, 0.3, 0.9]) + arm("b", [0.3, 0.9, 0.9, 0.9, 0.9]))
    assert "b and a fall into two groups of accuracies, so that the intervals are too short." in found
