import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.report import render, sheet, summarize
from bench.report.tables.summary import record
from bench.report.terminal import FORMATS
from bench.report.wording.study import control as sentence
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


def test_the_control_is_in_no_table_and_no_family(study: list[Row]) -> None:
    with_it, without = (
        summarize(study, 0.3),
        summarize([row for row in study if row.choices["initializer"] != "again"], 0.3),
    )
    for name in ("table", "pairs", "blocks", "answer"):
        assert record(with_it)[name] == record(without)[name]
    for name in ("aggregates", "improvement"):
        assert getattr(with_it, name) == getattr(without, name)
    assert [one.sd_points for one in with_it.power] == [one.sd_points for one in without.power]
    assert with_it.counts["ok"] == without.counts["ok"] + 16
    assert without.control is None


def test_the_control_is_compared_with_its_twin_in_every_block_and_reported(study: list[Row]) -> None:
    summary = summarize(study, 0.3)
    control = summary.control
    assert control is not None
    assert (control.of, control.runs, control.diverged) == (("a",), 16, 0)
    assert [finding.name for finding, _ in control.pairs] == ["batch", "none"]
    assert [(pair.initializer, pair.other, pair.seeds, pair.p_holm) for _, pair in control.pairs] == [
        ("again", "a", 8, pair.p) for _, pair in control.pairs
    ]
    verdicts = [pair.verdict for _, pair in control.pairs]
    counts = ", ".join(f"{one} {verdicts.count(one)}" for one in ("different", "equivalent", "undecided"))
    assert f"Of 2 pairs that cannot differ: {counts}" in sentence(control)
    for format in set(FORMATS) - {"csv"}:
        assert sentence(control).split(";")[0] in render(sheet(summary), format, width=1000)


def test_a_control_that_diverges_is_counted(study: list[Row]) -> None:
    last = study[-1]
    last.status, last.measures["test_accuracy"] = "diverged", None
    control = summarize(study, 0.3).control
    assert control is not None
    assert (control.diverged, control.pairs[1][1].seeds) == (1, 7)
    assert "(16 runs, 1 diverged)" in sentence(control)


def test_a_control_without_its_twin_tells_nothing(study: list[Row]) -> None:
    rows = [row for row in study if row.choices["initializer"] != "a"]
    control = summarize(rows, 0.3).control
    assert control is not None
    assert control.pairs == ()
    assert "tells nothing" in sentence(control)


def test_a_control_alone_is_no_study(study: list[Row]) -> None:
    with pytest.raises(UserError, match="add the one that it repeats"):
        summarize([row for row in study if row.choices["initializer"] == "again"], 0.3)


def test_the_control_is_called_different_as_rarely_as_its_level_says(arm: MakeArm) -> None:
    """One study of 200 blocks: at most 5 % of them, plus four standard errors."""
    generator = np.random.default_rng(1)
    rows = [
        row
        for width in range(200)
        for name, settings in (("a", {}), ("again", {"initializer__of": "a"}))
        for row in arm(name, list(generator.normal(0.9, 0.01, 5)), model__width=width, **settings)
    ]
    control = summarize(rows, 0.3).control
    assert control is not None
    false = sum(pair.verdict == "different" for _, pair in control.pairs)
    assert 0 < false / 200 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)
