import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.report import summarize
from bench.report.analysis.frame import pairs
from bench.report.analysis.rules import Rules
from bench.schema import Row, UserError

MakeArm = Callable[..., list[Row]]


@pytest.fixture
def study(arm: MakeArm) -> list[Row]:
    """Two blocks of two arms and the control of one of them, drawn from the same law."""
    generator = np.random.default_rng(0)
    return [
        row
        for kind in ("batch", "none")
        for name, settings in (("a", {}), ("b", {}), ("again", {"initializer__of": "a"}))
        for row in arm(name, list(generator.normal(0.9, 0.002, 8).round(4)), normalization=kind, **settings)
    ]


def test_the_control_is_in_no_arm_and_no_family(study: list[Row], rules: Rules) -> None:
    with_it, without = (
        summarize(study, rules),
        summarize([row for row in study if row.choices["initializer"] != "again"], rules),
    )
    both = [[(one, pair) for one in summary.findings for pair in one.pairs] for summary in (with_it, without)]
    assert pairs(both[0]) == pairs(both[1])
    assert with_it.arms == without.arms == ["a", "b"]
    for name in ("aggregates", "improvement"):
        assert getattr(with_it, name) == getattr(without, name)
    assert [one.all_pairs for one in with_it.power] == [one.all_pairs for one in without.power]
    assert with_it.counts["trained"] == without.counts["trained"] + 16
    assert without.control is None


def test_the_control_is_compared_with_its_twin_in_every_block(study: list[Row], rules: Rules) -> None:
    control = summarize(study, rules).control
    assert control is not None
    assert (control.of, control.runs, control.trained) == (("a",), 16, 16)
    assert [finding.name for finding, _ in control.pairs] == ["batch", "none"]
    for _, pair in control.pairs:
        assert (pair.initializer, pair.other, pair.seeds) == ("again", "a", 8)
        assert pair.accuracy.p_adjusted == pytest.approx(min(1, 2 * (pair.accuracy.p or 0)))  # beside that of the rates


def test_a_control_that_diverges_is_counted(study: list[Row], rules: Rules) -> None:
    last = study[-1]
    last.status, last.measures["test_accuracy"] = "diverged", None
    control = summarize(study, rules).control
    assert control is not None
    assert (control.runs, control.trained, control.pairs[1][1].seeds) == (16, 15, 7)


def test_a_control_without_its_twin_has_no_pair(study: list[Row], rules: Rules) -> None:
    rows = [row for row in study if row.choices["initializer"] != "a"]
    control = summarize(rows, rules).control
    assert control is not None
    assert control.pairs == ()


def test_a_control_alone_is_no_study(study: list[Row], rules: Rules) -> None:
    with pytest.raises(UserError, match="add the one that it repeats"):
        summarize([row for row in study if row.choices["initializer"] == "again"], rules)


def test_the_control_is_called_different_as_rarely_as_its_level_says(arm: MakeArm, rules: Rules) -> None:
    """One study of 200 blocks: at most 5 % of them, plus four standard errors."""
    generator = np.random.default_rng(1)
    rows = [
        row
        for width in range(200)
        for name, settings in (("a", {}), ("again", {"initializer__of": "a"}))
        for row in arm(name, list(generator.normal(0.9, 0.01, 5)), model__width=width, **settings)
    ]
    control = summarize(rows, rules).control
    assert control is not None
    false = sum(pair.verdict.startswith("different") for _, pair in control.pairs)
    assert 0 < false / 200 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)


def test_a_control_that_was_tested_on_other_images_is_refused(study: list[Row], rules: Rules) -> None:
    for row in study:
        if row.choices["initializer"] == "again":
            row.environment["test_images"] = 360
    with pytest.raises(UserError, match="10000 and 360 test_images"):
        summarize(study, rules)
