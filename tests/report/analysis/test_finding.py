"""What a finding makes of the arms and the pairs of its block."""

from collections.abc import Callable

import pytest

from bench.report import summarize
from bench.report.analysis.finding import Finding
from bench.report.analysis.rules import Margin, Rules
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]
Find = Callable[..., Finding]

CLOSE = [0.9, 0.901, 0.899, 0.9, 0.9005]
OTHER = [0.9005, 0.9, 0.901, 0.899, 0.9]


@pytest.fixture
def find(rules: Rules) -> Find:
    """The finding of rows that make a single block."""

    def one(rows: list[Row], rules: Rules = rules) -> Finding:
        (finding,) = summarize(rows, rules).findings
        return finding

    return one


@pytest.fixture
def finding(arm: MakeArm, row: MakeRow, find: Find) -> Finding:
    """`best` leads, `twin` keeps up with it, `worst` is far below, `wild` has the highest mean and rarely trains."""
    rows = [*arm("best", CLOSE), *arm("twin", OTHER), *arm("worst", [one - 0.4 for one in OTHER])]
    return find([*rows, *arm("wild", [0.99, 0.991]), *[row("wild", seed, status="diverged") for seed in (2, 3, 4)]])


def test_arms_stand_by_their_mean_and_the_leader_by_that_of_all_runs(finding: Finding) -> None:
    assert [one.name for one in finding.arms] == ["wild", "best", "twin", "worst"]
    assert finding.leader is finding.arm("best")


def test_leading_arms_are_those_with_trained_runs_that_none_is_shown_to_beat(
    finding: Finding, arm: MakeArm, row: MakeRow, find: Find
) -> None:
    assert finding.leading == ["wild", "best", "twin"]
    more = [*arm("best", CLOSE), *[row("never", seed, status="diverged") for seed in range(5)]]
    assert find(more).leading == ["best"]


def test_an_arm_that_is_beaten_by_any_arm_leads_nothing(arm: MakeArm, find: Find) -> None:
    """b is not shown to be worse than c, but than a."""
    noisy = [0.95, 0.85, 0.9, 0.97, 0.81]
    rows = [*arm("a", [one + 0.05 for one in CLOSE]), *arm("b", OTHER), *arm("c", noisy)]
    assert find(rows).leading == ["a", "c"]


def test_a_pair_is_seen_from_the_arm_that_is_named_first(finding: Finding) -> None:
    there, back = finding.pair("best", "worst"), finding.pair("worst", "best")
    assert there is not None
    assert there.accuracy.difference == pytest.approx(40)
    assert back == there.turned()
    assert finding.pair("best", "nobody") is None


def test_the_rows_and_ids_of_arms_are_those_of_the_block(finding: Finding) -> None:
    assert len(finding.rows("wild")) == 5
    assert finding.ids("worst", "nobody", "twin") == tuple(
        row.id for row in finding.rows("worst") + finding.rows("twin")
    )


def test_a_block_without_a_name_has_its_choices_as_title(finding: Finding, arm: MakeArm, rules: Rules) -> None:
    assert (finding.name, finding.title) == ("", "model=resnet20 normalization=batch activation=relu")
    two = summarize([*arm("a", [0.9]), *arm("a", [0.9], activation="tanh")], rules).findings
    assert [one.title for one in two] == ["relu", "tanh"]


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ([one - 0.4 for one in OTHER], "matters"),
        (OTHER, "equal in accuracy"),
        ([0.95, 0.85, 0.9, 0.97, 0.81], "undecided"),
    ],
)
def test_a_block_is_judged_by_its_pairs(arm: MakeArm, find: Find, other: list[float], verdict: str) -> None:
    assert find([*arm("a", CLOSE), *arm("b", other)]).verdict == verdict


def test_a_block_does_not_matter_where_equal_rates_are_shown_as_well(arm: MakeArm, find: Find) -> None:
    counts = {runs: find([*arm("a", CLOSE * runs), *arm("b", OTHER * runs)]).verdict for runs in (5, 6)}
    assert counts == {5: "equal in accuracy", 6: "does not matter"}  # 25 runs exclude no 10 %, 30 do


def test_a_single_difference_among_many_pairs_matters(arm: MakeArm, find: Find) -> None:
    rows = [*arm("a", CLOSE * 7), *arm("b", OTHER * 7), *arm("c", [one - 0.4 for one in CLOSE * 7])]
    assert find(rows).verdict == "matters"


def test_one_arm_is_alone_and_arms_that_never_train_are_neither(arm: MakeArm, row: MakeRow, find: Find) -> None:
    assert find(arm("a", [0.9, 0.8])).verdict == "one arm"
    lost = [row("b", seed, status="diverged") for seed in range(2)]
    assert find([*arm("a", [0.1, 0.12]), *lost]).verdict == "neither trains"


def test_a_failed_arm_is_no_arm_that_does_not_train(arm: MakeArm, row: MakeRow, find: Find) -> None:
    """Nobody knows what became of it, so a block with it shows no more than a difference of others."""
    failed = [row("c", seed, status="failed") for seed in range(5)]
    assert find([*arm("a", [0.1] * 5), *failed]).verdict == "undecided"
    assert find([*arm("a", CLOSE * 7), *arm("b", OTHER * 7), *failed]).verdict == "undecided"
    assert find([*arm("a", CLOSE), *arm("b", [0.5] * 5), *failed]).verdict == "matters"


def test_the_margin_of_a_block_is_that_against_its_best_arm(arm: MakeArm, rules: Rules, find: Find) -> None:
    rows = [*arm("a", [0.96, 0.96]), *arm("b", [0.8, 0.8]), *arm("c", [0.1, 0.1])]
    shared = Rules(Margin.of("25%"), rules.rate_margin, rules.line)
    assert (find(rows).margin, find(rows, shared).margin) == (1.0, pytest.approx(1.0))
    assert find(rows[2:], shared).margin == pytest.approx(5.0)


def test_the_test_set_decides_the_decimals_and_the_resolution(arm: MakeArm, find: Find) -> None:
    small = find(arm("a", [0.9], environment={"test_images": 400, "classes": 10}))
    assert (small.digits, small.resolution, small.threshold) == (1, 0.25, pytest.approx(0.19))
    large = find(arm("a", [0.9]))
    assert (large.digits, large.resolution) == (2, 0.01)


def test_arms_without_a_mean_lead_nothing(row: MakeRow, find: Find) -> None:
    finding = find([row(name, status="failed") for name in "ab"])
    assert (finding.leader, finding.leading, finding.pairs, finding.verdict) == (None, [], (), "undecided")
