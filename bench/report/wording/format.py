"""Numbers as a paper prints them; what could not be measured is a dash.

In: numbers. Out: text. Touches: nothing.
"""

import math
from collections.abc import Mapping
from typing import Any

DASH = "-"
PERCENT = 100.0


def number(value: float | None, digits: int, factor: float = 1.0) -> str:
    """`factor` x value with so many decimals."""
    return DASH if value is None else f"{factor * value:.{digits}f}"


def interval(line: Mapping[str, Any], value: str, bounds: str, digits: int, factor: float = 1.0) -> str:
    """`value [low, high]` of a line's fields `value`, `bounds_low` and `bounds_high`; without bounds, the value."""
    low, high = line[f"{bounds}_low"], line[f"{bounds}_high"]
    shown = number(line[value], digits, factor)
    return shown if low is None else f"{shown} [{number(low, digits, factor)}, {number(high, digits, factor)}]"


def points(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    """A difference in percentage points, with its sign: `+0.4 [-0.3, 1.1]`."""
    if value is None:
        return DASH
    shown = f"{round(value, digits) + 0.0:+.{digits}f}"  # + 0.0 turns -0.0 into 0.0
    return shown if low is None else f"{shown} [{number(low, digits)}, {number(high, digits)}]"


def three_digits(value: float) -> str:
    """A number above 0 with three digits, or with all digits before its point."""
    return number(value, max(0, 2 - math.floor(math.log10(value))))


def percent(share: float | None) -> str:
    """A share in whole percent."""
    return DASH if share is None else f"{number(share, 0, PERCENT)} %"


def p(value: float | None) -> str:
    """A p-value to two digits; below a thousandth that is all that is said."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: list[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
