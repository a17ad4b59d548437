from typing import Any

import pytest

from bench.report.document import Cell, Prose, Table
from bench.report.paper.keys import Keys, put
from bench.report.paper.text import fill
from bench.schema import UserError

TABLE = Table("results", "A table.", ("arm",), ((Cell("he_normal"),),))


@pytest.fixture
def values() -> dict[str, Any]:
    acc = Keys("acc")
    put(acc, ("he_normal", "relu"), "98.1 %")
    return {"acc": acc, "runs": 10_000, "arms": ["he_normal", "fixup", "a|b"]}


def text(source: str, values: dict[str, Any]) -> str:
    (prose,) = fill(source, values, {})
    assert isinstance(prose, Prose)
    return prose.markdown.strip()


def test_numbers_come_by_their_keys(values: dict[str, Any]) -> None:
    assert (
        text("He reaches {{ acc.he_normal.relu }} in {{ runs }} runs.", values) == "He reaches 98.1 % in 10,000 runs."
    )


def test_values_are_escaped_and_lists_are_told(values: dict[str, Any]) -> None:
    assert text("{{ arms | listed }}; {{ arms[0] | code }}", values) == r"he\_normal, fixup and a\|b; `he_normal`"


def test_what_stands_between_backticks_in_a_sentence_is_code(values: dict[str, Any]) -> None:
    said = "Run `python -m bench report study=a_b` of a_b, not *now*."
    assert text("{{ said }}", {"said": said}) == r"Run `python -m bench report study=a_b` of a\_b, not \*now\*."


@pytest.mark.parametrize(
    "typed", ["He reaches 98 %.", "He reaches {{ 98 }} %.", "He reaches {{ '98 %' }}.", "## Part 2"]
)
def test_a_typed_number_fails_with_its_sentence(values: dict[str, Any], typed: str) -> None:
    with pytest.raises(UserError, match=r"a number is typed in the template.*(He reaches|98|Part 2)"):
        fill(f"All is well. {{{{ runs }}}} runs.\n\n{typed}\n", values, {})


@pytest.mark.parametrize(
    "fine", ["`resnet20`", "$1 - a_0$", "[arXiv](https://arxiv.org/abs/1502.01852)", "{{ arms[1] }}", "{# 3 #}x"]
)
def test_digits_in_code_in_the_target_of_a_link_and_in_an_expression_are_no_typed_numbers(
    values: dict[str, Any], fine: str
) -> None:
    assert text(f"See {fine}.", values).startswith("See ")


def test_a_digit_in_the_text_of_a_link_is_a_typed_number(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="is typed"):
        fill("[98 %](#table)", values, {})


def test_an_unknown_key_fails_with_its_sentence_and_the_nearest_key(values: dict[str, Any]) -> None:
    source = "# Title\n\nAll is well.\nFine. He reaches {{ acc.he_normal.rleu }} here. More.\n"
    with pytest.raises(UserError) as told:
        fill(source, values, {})
    sentence = "'He reaches {{ acc.he_normal.rleu }} here.'"
    assert str(told.value) == (
        f"no key is named 'acc.he_normal.rleu'; the nearest: acc.he_normal.relu; template line 4: {sentence}"
    )


def test_an_unknown_name_fails_too(values: dict[str, Any]) -> None:
    with pytest.raises(
        UserError, match=r"no key is named 'accc'; the nearest: acc, place; template line 1: 'He: \{\{ accc.x"
    ):
        fill("He: {{ accc.x }}.", values, {})


def test_what_jinja_cannot_read_is_told_with_its_line(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="the template cannot be read, line 2"):
        fill("Fine.\n{% if %}", values, {})


def test_a_number_in_full_precision_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"prints 0.1 in full precision"):
        fill("{{ x }}", {"x": 0.1}, {})


def test_a_table_stands_in_its_place_and_one_that_is_not_there_leaves_none(values: dict[str, Any]) -> None:
    source = 'Before.\n\n{{ place("results") }}\n{{ place("ranks") }}\nAfter.\n'
    before, table, after = fill(source, values, {"results": [TABLE]})
    assert table is TABLE
    assert [one.markdown for one in (before, after) if isinstance(one, Prose)] == ["Before.\n", "After.\n"]


def test_no_value_can_bring_a_table(values: dict[str, Any]) -> None:
    evil = "\ue000results\ue000"
    (prose,) = fill("{{ evil }}", {"evil": evil}, {"results": [TABLE]})
    assert prose == Prose("results\n")


def test_each_section_is_a_prose_of_its_own(values: dict[str, Any]) -> None:
    assert len(fill("## One\n\nText.\n\n### Inside\n\n## Two\n\nText.\n", values, {})) == 2
