import pytest

from bench.report.paper.keys import Keys, UnknownKey, flat, put
from bench.report.tables.markdown import Markdown, escaped


@pytest.fixture
def keys() -> Keys:
    tree = Keys()
    put(tree, ("acc", "he_normal", "relu"), {"mean": "98.1 %", "n": 10}, "98.1 % [97.4, 98.7]")
    put(tree, ("acc", "items", "relu"), "1")
    put(tree, ("runs",), 20)
    return tree


def test_a_key_leads_to_its_text_and_a_part_of_it_to_its_own(keys: Keys) -> None:
    assert str(keys["acc"]["he_normal"]["relu"]) == "98.1 % [97.4, 98.7]"
    assert keys["acc"]["he_normal"]["relu"]["mean"] == "98.1 %"
    assert ("acc" in keys, "loss" in keys, len(keys)) == (True, False, 2)


def test_a_mistyped_key_is_told_in_full_with_the_nearest_known_ones(keys: Keys) -> None:
    with pytest.raises(UnknownKey, match=r"'acc\.he_normal.rleu'; the nearest: acc.he_normal.relu"):
        keys["acc"]["he_normal"]["rleu"]


def test_a_branch_is_no_number(keys: Keys) -> None:
    with pytest.raises(UnknownKey, match=r"acc\.he_normal is no number or text; it has relu"):
        str(keys["acc"]["he_normal"])


def test_every_printable_key_is_listed_once_by_its_full_path(keys: Keys) -> None:
    assert flat(keys) == {
        "acc.he_normal.relu": "98.1 % [97.4, 98.7]",
        "acc.he_normal.relu.mean": "98.1 %",
        "acc.he_normal.relu.n": "10",
        "acc.items.relu": "1",
        "runs": "20",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("he_normal*", r"he\_normal\*"),
        ("<b> & [x](y)", r"\<b\> \& \[x\](y)"),
        ("1. no list", r"1\. no list"),
        ("1.5 points", "1.5 points"),
        ("- no list", r"\- no list"),
        ("# no heading\n\nno paragraph", r"\# no heading no paragraph"),
        (Markdown("*as it is*"), "*as it is*"),
    ],
)
def test_text_from_elsewhere_reads_as_it_is(text: str, shown: str) -> None:
    assert escaped(text) == shown
