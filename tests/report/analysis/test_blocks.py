from collections.abc import Callable
from typing import Any

import pytest

from bench.report.analysis.blocks import blocks, names, natural
from bench.schema import Row

MakeRow = Callable[..., Row]


def test_runs_that_differ_in_initializer_and_seed_alone_share_a_block(row: MakeRow) -> None:
    (block,) = blocks([row("he_normal", 0), row("he_normal", 1), row("lsuv", 0)])
    assert {arm: len(rows) for arm, rows in block.arms.items()} == {"he_normal": 2, "lsuv": 1}
    assert block.choices == {"model": "resnet20", "normalization": "batch", "activation": "relu"}


@pytest.mark.parametrize(
    ("choice", "values"),
    [
        ("epochs", (6, 12)),
        ("dataset", ("digits", "cifar10")),
        ("optimizer__learning_rate", (0.05, 0.1)),
        ("model__depth", (20, 32)),
        ("a_setting_of_tomorrow", (True, 1)),
        ("optimizer__betas", ([0.9, 0.99], [0.9, 0.999])),
        ("optimizer__clip", (None, 1.0)),
    ],
)
def test_any_other_choice_that_varies_parts_the_blocks(row: MakeRow, choice: str, values: tuple[Any, Any]) -> None:
    found = blocks([row(**{choice: value}) for value in values])
    assert len(found) == 2
    assert all(choice.replace("__", ".") in block.choices for block in found)


def test_an_argument_that_only_some_runs_have_parts_the_blocks(row: MakeRow) -> None:
    old, new = blocks([row(optimizer__clip=None), row()])
    assert [old.choices["optimizer.clip"], new.choices["optimizer.clip"]] in ([None, "null"], ["null", None])


def test_an_argument_implied_by_its_name_is_no_column(row: MakeRow) -> None:
    found = blocks([row(model="resnet8", model__depth=8), row(model="resnet20", model__depth=20)])
    assert [block.choices["model"] for block in found] == ["resnet8", "resnet20"]
    assert "model.depth" not in found[0].choices


def test_an_argument_of_the_initializer_that_varies_names_the_arm(row: MakeRow) -> None:
    scaled = [row("variance_scaling", initializer__scale=scale, initializer__mode="fan_in") for scale in (0.5, 1.0)]
    (block,) = blocks([*scaled, row("he_normal", initializer__scale=2.0)])
    assert set(block.arms) == {"variance_scaling(scale=0.5)", "variance_scaling(scale=1.0)", "he_normal"}


def test_columns_come_in_one_order_with_settings_last(row: MakeRow) -> None:
    (first, *_) = blocks([row(), row(epochs=12), row(optimizer__learning_rate=0.1), row(dataset="cifar10")])
    assert list(first.choices)[:3] == ["model", "normalization", "activation"]
    assert list(first.choices)[3:] == ["dataset", "optimizer.learning_rate", "epochs"]


def test_blocks_sort_numbers_by_size_and_names_by_their_numbers() -> None:
    values: list[Any] = ["resnet110", 10, None, "resnet8", 9.5, "resnet20", True, "batch"]
    assert sorted(values, key=natural) == [None, True, 9.5, 10, "batch", "resnet8", "resnet20", "resnet110"]


def test_a_label_reads_as_the_command_line_does(row: MakeRow) -> None:
    block = blocks([row(), row(epochs=12)])[1]
    assert block.label == "model=resnet20 normalization=batch activation=relu epochs=12"


def test_a_block_is_named_by_what_tells_it_from_the_others_and_a_single_one_has_no_name(row: MakeRow) -> None:
    assert names(blocks([row()])) == [""]
    assert names(blocks([row(activation="tanh", optimizer__learning_rate=0.1), row()])) == [
        "relu/learning_rate=0.05",
        "tanh/learning_rate=0.1",
    ]
