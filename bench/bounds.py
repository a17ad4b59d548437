"""Types with bounds for settings and arguments, and the one check of every value.

In: a key, a value, a type such as `Count | None`. Out: the value, or a sentence on what fits. Touches: nothing.
"""

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from bench.schema import UserError


@dataclass(frozen=True)
class Bound:
    """The limits of a number; None where there is none."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def holds(self, value: Any) -> bool:
        """Whether the number lies within the limits."""
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        limits = (
            *(("of at least", self.least), ("above", self.above)),
            *(("of at most", self.most), ("below", self.below)),
        )
        return " and ".join(f"{words} {limit:g}" for words, limit in limits if limit is not None)


@dataclass(frozen=True)
class Rising:
    """Numbers of which each is larger than the one before it, and the first is at least `least`."""

    least: int

    def holds(self, values: Sequence[int]) -> bool:
        """Whether they rise; no numbers do."""
        return all(first < second for first, second in zip([self.least - 1, *values], values, strict=False))

    def __str__(self) -> str:
        return f"that rise from at least {self.least}"


@dataclass(frozen=True)
class Length:
    """Exactly `count` values."""

    count: int

    def holds(self, values: Sequence[object]) -> bool:
        """Whether there are as many."""
        return len(values) == self.count

    def __str__(self) -> str:
        return f"of which there are {self.count}"


@dataclass(frozen=True)
class NoneOrTwo:
    """No values, or two different ones."""

    def holds(self, values: Sequence[object]) -> bool:
        """Whether there are none, or two that differ."""
        return not values or (len(values) == 2 and values[0] != values[1])

    def __str__(self) -> str:
        return "of which there are two different ones, or none"


@dataclass(frozen=True)
class Several:
    """Two values or more, each of them once."""

    def holds(self, values: Sequence[object]) -> bool:
        """Whether there are, and all differ."""
        return len(values) >= 2 and len({*map(repr, values)}) == len(values)

    def __str__(self) -> str:
        return "of which there are two or more, all different"


@dataclass(frozen=True)
class Percentage:
    """A share as a text, above 0% and at most 100%: 25%."""

    def holds(self, value: str) -> bool:
        """Whether the text is such a percentage."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value)
        return found is not None and 0 < float(found[1]) <= 100

    def __str__(self) -> str:
        return "a percentage such as 25%"


Count = Annotated[int, Bound(least=1)]
Natural = Annotated[int, Bound(least=0)]
Positive = Annotated[float, Bound(above=0)]
Nonnegative = Annotated[float, Bound(least=0)]
Share = Annotated[float, Bound(least=0, most=1)]
Fraction = Annotated[float, Bound(least=0, below=1)]
Auto = Literal["auto"]

LARGEST = {int: 2**63 - 1, float: 3.4e38}  # in int64, and in float32, in which runs are computed

WORDS = {
    Any: "a value with finite numbers",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a name",
    Path: "a path",
    dict: "keys {KEY: VALUE}",
}

PLURALS = {int: "whole numbers", float: "numbers", str: "names", dict: "keys {KEY: VALUE}"}


def checked(key: str, value: Any, kind: Any) -> Any:
    """The value in its type: a whole number becomes a float, and a text a path, where the type says so.

    `kind` is a type, or types joined by |, each of which may be annotated with a bound. Raises UserError, with the
    values that the key takes, for any other value: of another type, out of bounds, empty, or not finite.
    """
    for one in _alternatives(kind):
        fitting, found = _fit(value, one)
        if fitting:
            return found
    if value == "":
        raise UserError(f"{key} has no value; write {key}=VALUE")
    near = [f"; did you mean {word}?" for word in difflib.get_close_matches(str(value), _words(kind), n=1)]
    near += ["; that number is too large"] * (_is_number(value) and abs(value) > LARGEST[_kind_of_number(value)])
    raise UserError(f"{key} takes {described(kind)}, not {value!r}{''.join(near)}")


def described(kind: Any) -> str:
    """A type and its bounds in words: `a whole number of at least 1 or null`."""
    return " or ".join(_described(one) for one in _alternatives(kind))


def _words(kind: Any) -> list[str]:
    """The names among the values of a type."""
    literals = [one for one in _alternatives(kind) if typing.get_origin(one) is Literal]
    return [str(word) for one in literals for word in typing.get_args(one)]


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)


def _fit(value: Any, kind: Any) -> tuple[bool, Any]:
    """Whether a value is of a type that is no union, and the value as that type has it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        fitting, found = _fit(value, arguments[0])
        return fitting and all(rule.holds(found) for rule in arguments[1:]), found
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments), value
    if origin is list:
        each = [_fit_any(entry, arguments[0]) for entry in value] if isinstance(value, list) else [(False, None)]
        return all(fitting for fitting, _ in each), [found for _, found in each]
    return _fit_plain(value, origin or kind)


def _fit_any(value: Any, kind: Any) -> tuple[bool, Any]:
    return next((found for one in _alternatives(kind) if (found := _fit(value, one))[0]), (False, value))


def _fit_plain(value: Any, kind: Any) -> tuple[bool, Any]:
    is_number = _is_number(value)
    if kind is Any:
        return all(_fits_machine(one, _kind_of_number(one)) for one in _numbers(value)), value
    if kind in (type(None), None):
        return value is None, None
    if kind is float:
        fitting = is_number and _fits_machine(value, float)
        return fitting, float(value) if fitting else value
    if kind is int:
        return is_number and isinstance(value, int) and _fits_machine(value, int), value
    if kind in (str, Path):
        fitting = isinstance(value, str | kind) and value != ""
        return fitting, kind(value) if fitting else value
    return isinstance(value, Mapping if kind in (dict, Mapping) else kind), value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, of which a row holds none that is not finite."""
    if isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(one)
    elif _is_number(value):
        yield value


def _kind_of_number(value: float) -> type:
    return int if isinstance(value, int) else float


def _fits_machine(value: float, kind: type) -> bool:
    """Whether a number of this kind can hold the value, which is False for NaN."""
    return abs(value) <= LARGEST[kind]


def _described(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        rules = " and ".join(map(str, arguments[1:]))
        return (
            rules if arguments[0] is str else f"{_described(arguments[0])} {rules}"
        )  # its rule alone describes a text
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin is list:
        plural = PLURALS.get(typing.get_origin(arguments[0]) or arguments[0])
        return "a list [a,b]" + (
            f" of {plural}" if plural else f", each {described(arguments[0])}" * (arguments[0] is not Any)
        )
    if kind in (type(None), None):
        return "null"
    return WORDS.get(origin or kind, getattr(kind, "__name__", str(kind)))
