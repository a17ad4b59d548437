from collections.abc import Callable

import pytest

from bench.report import Summary
from bench.report.analysis.lines import OtherLine
from bench.report.wording import study as words
from bench.report.wording.format import number
from bench.schema import Row

Make = Callable[..., Summary]
MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def test_the_spread_of_a_block_is_from_its_best_arm_to_its_worst(make_study: Make, arm: MakeArm) -> None:
    study = make_study([*arm("he_normal", [0.9, 0.8]), *arm("fixup", [0.6, 0.7])])
    assert "0.0 points of validation accuracy" in words.spread(study)
    assert "20.0 points of test accuracy at the end, in the median of 1 block" in words.spread(study)


def test_what_a_study_declares_is_told_as_declared_whatever_its_test_set(make_study: Make, arm: MakeArm) -> None:
    small = {"environment": {"test_images": 2_500, "classes": 10}}
    study = make_study([*arm("he_normal", [0.9, 0.8], **small), *arm("fixup", [0.6, 0.7], **small)])
    assert words.judged(study) == (
        "Study mine is judged by these rules: a difference matters from 1 point of accuracy or 10 points of training "
        "rate; a run has trained above 19 % of validation accuracy; each family of tests has the level 0.05."
    )


def test_each_arm_has_its_best_learning_rate_over_all_its_runs_where_they_vary(make_study: Make, arm: MakeArm) -> None:
    reached = {("he_normal", 0.1): 0.9, ("he_normal", 0.01): 0.8, ("fixup", 0.1): 0.5, ("fixup", 0.01): 0.6}
    rows = [
        row for (name, rate), top in reached.items() for row in arm(name, [top, top], optimizer__learning_rate=rate)
    ]
    rows += arm("he_normal", [0.95, 0.1], optimizer__learning_rate=1.0)
    assert words.learning_rates(make_study(rows)).endswith("of fixup at 0.01; he_normal at 0.1.")
    assert words.learning_rates(make_study(arm("fixup", [0.9]), question=[])) == ""


def test_the_seeds_for_one_pair_and_for_all_are_told(study: Summary) -> None:
    first = study.power[0]
    assert f"takes {first.one_pair.rate} seeds for one pair and {first.all_pairs.rate} for all" in words.power(study)


def test_what_an_answer_to_the_question_took_is_told_by_the_runs_of_its_arms(study: Summary, make_study: Make) -> None:
    seconds = sum(row.measures["seconds"] for row in study.rows)
    assert words.cost(study).endswith(
        f" Of 2 comparisons that the question asks for, of runs that are not the same, 1 is decided, by 24 runs of "
        f"{seconds / 60:.1f} minutes: {seconds / 60:.1f} for each."
    )
    undecided = make_study([row for row in study.rows if row.choices["activation"] == "tanh"])
    assert "decided" not in words.cost(undecided)


def test_another_line_that_changes_nothing_is_said_to(study: Summary) -> None:
    assert words.lines(study.other_lines) == (
        "With the line between trained and stalled at 5 % (no run has another outcome) or 20 % (no run has another "
        "outcome) of the way from chance to no error, no verdict changes."
    )


def test_verdicts_that_another_line_changes_are_counted_and_their_blocks_named() -> None:
    moved = [OtherLine(0.05, 0, (), 0, 10), OtherLine(0.2, 3, ("relu",), 2, 10, ("tanh",))]
    assert words.lines(moved).endswith(
        "these verdicts change: at 20 % 2 of 10 pairs, the block relu and the question in tanh."
    )


def test_where_ranks_and_interquartile_means_disagree_failures_are_counted(make_study: Make, arm: MakeArm) -> None:
    rows = [
        run
        for activation in ("relu", "tanh", "elu")
        for name, reached in (("he_normal", [0.8] * 4), ("fixup", [0.9, 0.9, 0.9, 0.15]))
        for run in arm(name, reached, activation=activation)
    ]
    study = make_study(rows)
    assert study.ranks is not None
    found = words.ranks(study, study.ranks)
    assert "By interquartile mean fixup is first and not he_normal" in found
    assert "Did not train: fixup 3 of 12 and he_normal 0 of 12." in found


def test_a_look_says_when_the_next_one_is(make_study: Make, arm: MakeArm) -> None:
    rows = [*arm("he_normal", [0.9] * 5), *arm("fixup", [0.6] * 5)]
    first = words.notes(make_study(rows, looks=[5, 10]))[0]
    assert first.startswith("Look 1 of 2, at 5 of 10 seeds: each family of verdicts is tested at 3.1 %")
    assert first.endswith("The next look is at 10 seeds.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer__learning_rate": 0.05}, "all runs share a learning rate of 0.05"),
        ({"epochs": 6}, "6 epochs on digits"),
        ({"environment": {"test_images": 360, "classes": 10}}, "on 360 test images, the same ones for all seeds"),
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


def test_where_ranks_and_interquartile_means_disagree_without_a_failure_none_decides(
    make_study: Make, arm: MakeArm
) -> None:
    rows = [
        run
        for activation in ("relu", "tanh", "elu")
        for name, reached in (("he_normal", [0.8] * 4), ("fixup", [0.9, 0.9, 0.9, 0.4]))
        for run in arm(name, reached, activation=activation)
    ]
    study = make_study(rows)
    assert study.ranks is not None
    assert words.ranks(study, study.ranks).endswith("leaves out the lowest quarter of an arm's runs.")


def test_arms_of_one_rank_are_not_said_to_be_ordered(make_study: Make, arm: MakeArm) -> None:
    rows = [
        *arm("he_normal", [0.8] * 4),
        *arm("fixup", [0.81] * 4),
        *arm("he_normal", [0.9] * 4, activation="tanh"),
        *arm("fixup", [0.8] * 4, activation="tanh"),
    ]
    study = make_study(rows)
    assert study.ranks is not None
    assert "interquartile" not in words.ranks(study, study.ranks)


def test_all_pairs_of_a_control_are_counted(make_study: Make, arm: MakeArm) -> None:
    rows = [*arm("he_normal", [0.9] * 5), *arm("fixup", [0.1] * 5), *arm("again", [0.1] * 5, initializer__of="fixup")]
    assert "Of 1 pair that cannot differ: different 0, neither trains 1;" in " ".join(words.notes(make_study(rows)))


def test_nothing_that_trained_leaves_no_interval_to_cover(make_study: Make, arm: MakeArm) -> None:
    threats = words.threats(make_study(arm("he_normal", [0.1] * 5) + arm("fixup", [0.1] * 5)))
    assert "Accuracies are measured on 10,000 test images." in threats


def test_between_looks_too_few_runs_are_no_threat(make_study: Make, arm: MakeArm) -> None:
    study = make_study(arm("he_normal", [0.9]) + arm("fixup", [0.6]), looks=[5, 10])
    assert "too few" not in " ".join(words.threats(study))
    assert words.notes(study)[0].startswith("Arms have 1 seed, which is no planned look")


def test_no_number_is_minus_zero() -> None:
    assert number(-0.0, 1) == number(-0.04, 1) == "0.0"
    assert number(-0.001, 0, 100) == "0"
