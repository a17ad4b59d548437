"""What a finding makes of the arms and the pairs of its block."""

from collections.abc import Callable

import pytest

from bench.report import summarize
from bench.report.analysis.finding import Finding
from bench.schema import Row

MakeArm = Callable[..., list[Row]]
MakeRow = Callable[..., Row]


def found(rows: list[Row], margin: float = 0.3) -> Finding:
    (finding,) = summarize(rows, margin).findings
    return finding


@pytest.fixture
def finding(arm: MakeArm, row: MakeRow) -> Finding:
    """`best` leads, `twin` keeps up with it, `worst` is far below, `wild` has the highest mean and a diverged run."""
    close = [0.9, 0.901, 0.899, 0.9]
    rows = [*arm("best", close), *arm("twin", close[::-1]), *arm("worst", [0.5, 0.501, 0.499, 0.5])]
    return found([*rows, *arm("wild", [0.99, 0.991, 0.989]), row("wild", 3, status="diverged")])


def test_arms_stand_by_their_mean_and_the_leader_never_diverged(finding: Finding) -> None:
    assert [one.name for one in finding.arms] == ["wild", "best", "twin", "worst"]
    assert finding.leader is finding.arm("best")


def test_leading_arms_are_those_not_shown_to_be_worse_than_the_leader(finding: Finding) -> None:
    assert finding.leading == ["best", "twin"]


def test_a_pair_is_seen_from_the_arm_that_is_named_first(finding: Finding) -> None:
    there, back = finding.pair("best", "worst"), finding.pair("worst", "best")
    assert there is not None
    assert there.difference_points == pytest.approx(40)
    assert back == there.turned()
    assert finding.pair("best", "nobody") is None


def test_the_rows_and_ids_of_arms_are_those_of_the_block(finding: Finding) -> None:
    assert len(finding.rows("wild")) == 4
    assert finding.ids("worst", "nobody", "twin") == tuple(
        row.id for row in finding.rows("worst") + finding.rows("twin")
    )
    assert finding.fewest == 3


def test_a_block_without_a_name_has_its_choices_as_title(finding: Finding, arm: MakeArm) -> None:
    assert (finding.name, finding.title) == ("", "model=resnet20 normalization=batch activation=relu")
    two = summarize([*arm("a", [0.9]), *arm("a", [0.9], activation="tanh")], 0.3).findings
    assert [one.title for one in two] == ["relu", "tanh"]


def test_one_arm_is_alone_and_arms_at_chance_do_not_train(arm: MakeArm) -> None:
    assert found(arm("a", [0.9, 0.8])).verdict == "one arm"
    at_chance = [*arm("a", [0.1, 0.1]), *arm("b", [0.12, 0.1])]
    assert found(at_chance).verdict == "nothing trains"
    for row in at_chance:
        del row.environment["classes"]
    assert found(at_chance).verdict == "undecided"


def test_an_arm_of_two_modes_is_split(arm: MakeArm) -> None:
    finding = found([*arm("a", [0.9, 0.1, 0.1]), *arm("b", [0.9, 0.9, 0.9])])
    assert finding.split == {"a": 2}


def test_the_margin_is_scaled_to_the_test_set_and_decides_the_decimals(arm: MakeArm) -> None:
    small = found(arm("a", [0.9], environment={"test_images": 400, "classes": 10}))
    assert (small.margin, small.digits, small.resolution) == (pytest.approx(1.5), 1, 0.25)
    large = found(arm("a", [0.9]))
    assert (large.margin, large.digits) == (0.3, 2)


def test_arms_without_a_mean_lead_nothing(row: MakeRow) -> None:
    finding = found([row(name, status="failed") for name in "ab"])
    assert (finding.leader, finding.leading, finding.pairs) == (None, [], ())
