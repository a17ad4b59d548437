import re
from collections.abc import Callable

import pytest

from bench.report import summarize
from bench.report.wording import block
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]
OTHER = [0.001, -0.0005, 0.0, -0.001, 0.0005]


def around(center: float, noise: list[float] = NOISE) -> list[float]:
    return [center + step for step in noise]


def sentence(rows: list[Row], margin: float = 0.3) -> str:
    (finding,) = summarize(rows, margin).findings
    return block.sentence(finding)


def test_a_real_difference_is_named_with_its_size_and_interval(arm: MakeArm) -> None:
    found = sentence(arm("he_normal", around(0.9)) + arm("torch_default", around(0.5, OTHER)))
    size, low, high = map(float, re.search(r"over torch_default \+(\S+) \[(\S+), (\S+)\]", found).groups())  # type: ignore[union-attr]
    assert found.startswith("Highest mean: he_normal 90.00 %. Real lead over torch_default")
    assert size == 40
    assert low < 40 < high


def test_arms_that_agree_are_called_equivalent_within_the_margin(arm: MakeArm) -> None:
    found = sentence(arm("a", around(0.9)) + arm("b", around(0.9, OTHER)) + arm("c", around(0.9, OTHER[::-1])), 1.0)
    assert found.startswith("All 3 means are equivalent, within 1.0 points.")


def test_noise_is_called_undecided_with_the_widest_difference(arm: MakeArm) -> None:
    rows = arm("a", [0.90, 0.92, 0.91]) + arm("b", [0.92, 0.89, 0.90]) + arm("c", [0.89, 0.90, 0.91])
    assert sentence(rows).startswith("Undecided, all 3 pairs; the widest: a over c +1.00 [")


def test_one_sentence_tells_real_equivalent_and_undecided_apart(arm: MakeArm) -> None:
    rows = [
        *arm("best", around(0.9)),
        *arm("twin", around(0.9, OTHER)),
        *arm("noisy", [0.88, 0.91, 0.90, 0.87, 0.92]),
        *arm("worst", around(0.5, OTHER)),
    ]
    found = sentence(rows, 1.0)
    assert re.search(r"Real lead over worst \+40\.0 \[.*\]; equivalent to twin .*; undecided against noisy ", found)
    assert "Other pairs: 2 different, 1 undecided." in found


def test_a_real_difference_between_others_is_named_where_the_leader_has_none(arm: MakeArm) -> None:
    rows = arm("noisy", [0.99, 0.75, 0.99]) + arm("good", [0.9, 0.901, 0.899]) + arm("bad", [0.5, 0.501, 0.499])
    found = sentence(rows)
    assert "Undecided against" in found
    assert "Other pairs: 1 different (good over bad +40.00 [" in found


def test_divergence_comes_first_and_its_arm_does_not_lead(arm: MakeArm, row: MakeRow) -> None:
    wild = [*arm("wild", around(0.99)[:4]), row("wild", 4, status="diverged")]
    found = sentence(wild + arm("calm", around(0.9)))
    assert found.startswith("Diverged: wild 1 of 5. Highest mean without divergence: calm 90.00 %.")
    assert "Really below wild -9.0" in found


def test_an_arm_that_always_diverges_beside_one_that_never_does_is_a_real_difference(
    arm: MakeArm, row: MakeRow
) -> None:
    lost = [row("lost", seed, status="diverged") for seed in range(5)]
    found = sentence(lost + arm("calm", around(0.9)))
    assert found == (
        "Diverged: lost 5 of 5 (a real difference in rate). Only calm has a mean (90.00 %): nothing to compare it with."
    )
    assert "(a real difference" not in sentence(lost[:2] + arm("calm", around(0.9)[:2]))


def test_failed_and_preempted_runs_are_named(arm: MakeArm, row: MakeRow) -> None:
    lost = [row("b", 5, status="failed"), row("b", 6, status="preempted")]
    assert sentence(arm("a", around(0.9)) + arm("b", around(0.9)) + lost).startswith(
        "In no mean: b 1 failed, b 1 preempted."
    )


def test_an_arm_near_chance_is_called_so_only_where_the_classes_are_known(arm: MakeArm) -> None:
    rows = arm("good", around(0.9)) + arm("stuck", around(0.1, OTHER))
    assert sentence(rows).startswith("Near chance (10 %): stuck 10.00 %.")
    for row in rows:
        del row.environment["classes"]
    assert "chance" not in sentence(rows)


def test_a_single_seed_is_undecided_and_says_why(arm: MakeArm) -> None:
    assert "Undecided: no two arms share two seeds" in sentence(arm("a", [0.9]) + arm("b", [0.1]))


def test_a_small_test_set_widens_the_margin_and_the_sentence_says_so(arm: MakeArm) -> None:
    small = {"test_images": 400, "classes": 10}
    found = sentence(arm("a", around(0.9), environment=small) + arm("b", around(0.9, OTHER), environment=small))
    assert found == (
        "Both means are equivalent, within 1.5 points. "
        "(In points, n = 5 seeds; margin 1.5 = 0.3 × √(10000 / 400 test images).)"
    )


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_block_where_no_run_converged_says_so(row: MakeRow, status: str) -> None:
    assert sentence([row(name, status=status) for name in "ab"]).endswith("No run converged.")


def test_an_arm_whose_runs_fall_in_two_groups_is_said_to_have_too_short_an_interval(arm: MakeArm) -> None:
    found = sentence(arm("a", [0.9, 0.91, 0.1]) + arm("b", [0.1, 0.1, 0.1]) + arm("c", [0.9] * 3))
    assert "Some runs near chance, others not, so that the interval is too short: a 1 of 3." in found
