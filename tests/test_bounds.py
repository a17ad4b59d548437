"""A value is of its type and within its bounds, or a sentence says what the key takes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from bench.bounds import Auto, Bound, Count, Length, Natural, NoneOrTwo, Positive, Rising, Share, checked, described
from bench.schema import UserError


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        (3, Count, 3),
        (0, Natural, 0),
        (2, Positive, 2.0),
        (1, Share, 1.0),
        ("auto", Count | Auto, "auto"),
        (None, Count | None, None),
        ("results", Path, Path("results")),
        ([1, 2.5], list[float], [1.0, 2.5]),
        ([["a"], []], list[list[str]], [["a"], []]),
        ([2, 5], Annotated[list[int], Rising(2)], [2, 5]),
        ([], Annotated[list[str], NoneOrTwo()], []),
        (["a", "b"], Annotated[list[str], NoneOrTwo()], ["a", "b"]),
        ([], Annotated[list[int], Rising(2)], []),
        ({"a": 1}, dict[str, Any], {"a": 1}),
        (True, bool | Auto, True),
        (object, Any, object),
    ],
)
def test_a_value_that_fits_is_as_its_type_has_it(value, kind, found):
    result = checked("key", value, kind)
    assert result == found
    assert type(result) is type(found)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, Count),
        (True, Count),
        (1.0, Count),
        ("3", Count),
        (-1, Natural),
        (0, Positive),
        (float("nan"), float),
        (float("inf"), float),
        (10**400, float),
        (1e39, float),
        (2**63, int),
        (float("nan"), Any),
        ([{"a": float("inf")}], Any),
        ([0.5], Annotated[list[float], Length(2)]),
        (1.1, Share),
        (1, Annotated[float, Bound(above=0, below=1)]),
        (1, bool),
        ("", str),
        ("", Path),
        (3, str),
        (["a", 1], list[str]),
        ("a", list[str]),
        ([1, 3], Annotated[list[int], Rising(2)]),
        ([5, 5], Annotated[list[int], Rising(2)]),
        (["a"], Annotated[list[str], NoneOrTwo()]),
        (["a", "a"], Annotated[list[str], NoneOrTwo()]),
        (1, Literal[True]),
        (None, Count | Auto),
    ],
)
def test_any_other_value_is_a_mistake(value, kind):
    with pytest.raises(UserError, match=r"^key (takes|has no value)"):
        checked("key", value, kind)


def test_the_sentence_names_everything_that_the_key_takes_and_the_nearest_name():
    with pytest.raises(UserError, match=r"^mode takes offline or online or null, not 'onlin'; did you mean online\?$"):
        checked("mode", "onlin", Literal["offline", "online"] | None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Count | Auto, "a whole number of at least 1 or auto"),
        (Share, "a number from 0 to 1"),
        (Annotated[list[int], Length(2)], "a list [a,b] of whole numbers of which there are 2"),
        (Annotated[float, Bound(above=0, below=1)], "a number above 0 and below 1"),
        (Annotated[int, Bound(least=1, most=8)] | None, "a whole number from 1 to 8 or null"),
        (Annotated[list[int], Rising(2)], "a list [a,b] of whole numbers that rise from at least 2"),
        (list[Count] | Count, "a list [a,b], each a whole number of at least 1 or a whole number of at least 1"),
        (list[str], "a list [a,b] of names"),
        (Annotated[list[str], NoneOrTwo()], "a list [a,b] of names of which there are two different ones, or none"),
        (bool, "true or false"),
        (Path, "a path"),
    ],
)
def test_a_type_is_described_in_words(kind, words):
    assert described(kind) == words
