"""Numbers and lists as every sentence, table and figure of a report prints them.

In: numbers and names. Out: text; what could not be measured is a dash. Touches: nothing.
"""

import math
from collections.abc import Sequence

from bench.report.analysis.pairs import Comparison
from bench.report.statistics import Estimate
from bench.report.statistics.sample import LEVEL

DASH = "-"
PERCENT = 100.0
MEBIBYTE = 2**20
NAMED = 6  # things named in one list; the tables have them all


def number(value: float | None, digits: int, factor: float = 1.0) -> str:
    """`factor` x value with `digits` decimals."""
    return DASH if value is None else f"{round(factor * value, digits) + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0


def interval(value: float | None, low: float | None, high: float | None, digits: int, factor: float = 1.0) -> str:
    """`91.0 [90.2, 91.8]`; without bounds, the value."""
    return number(value, digits, factor) + _bounds(low, high, digits, factor)


def estimate(found: Estimate | None, digits: int, factor: float = 1.0) -> str:
    """An estimate with its interval where it has one."""
    return DASH if found is None else interval(found.value, found.low, found.high, digits, factor)


def interval_alone(low: float | None, high: float | None, digits: int) -> str:
    """`[-0.3, 1.1]`; a dash without bounds."""
    return _bounds(low, high, digits).strip() or DASH


def points(found: Comparison, digits: int) -> str:
    """A difference in percentage points, with its sign and its 95 % interval: `+0.4 [-0.3, 1.1]`."""
    if found.difference is None:
        return DASH
    shown = f"{round(found.difference, digits) + 0.0:+.{digits}f}"
    return shown + _bounds(found.low, found.high, digits)


def accuracy(value: float | None, digits: int) -> str:
    """A fraction in percent: `91.0 %`."""
    return f"{number(value, digits, PERCENT)} %"


def accuracy_of(found: Estimate, digits: int) -> str:
    """An accuracy in percent with its interval and its n: `91.0 % [90.2, 91.8], n = 5`."""
    low, high = found.low, found.high
    return f"{accuracy(found.value, digits)}{_bounds(low, high, digits, PERCENT)}, n = {found.n}"


def three_digits(value: float) -> str:
    """A number above 0 with three digits, or with all digits before its point."""
    return number(value, max(0, 2 - math.floor(math.log10(value))))


def percent(share: float | None) -> str:
    """A share in whole percent."""
    return DASH if share is None else f"{number(share, 0, PERCENT)} %"


def p(value: float | None) -> str:
    """A p-value to two digits, or that it is below a thousandth."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def confidence() -> str:
    """The level of the intervals in percent."""
    return f"{PERCENT * LEVEL:g} %"


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def sentence_case(text: str) -> str:
    """The text with a capital letter first."""
    return f"{text[:1].upper()}{text[1:]}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def some(names: Sequence[str], separator: str = ", ", most: int = NAMED) -> str:
    """The first `most` names and the number of the others, if those are two or more: `a, b, 3 more`."""
    return separator.join(_first(names, most))


def inside(names: Sequence[str], separator: str = "; ") -> str:
    """The same in brackets behind a number; nothing for no name, or for the one block of a study, which has none."""
    return f" ({some(names, separator)})" if any(names) else ""


def with_spread(present: bool, kind: str) -> str:
    """How a caption goes on about the intervals of its means; `kind` is interval or band."""
    return f", with its {confidence()} {kind}" if present else "; no arm has two of them, so there is no interval"


def left_out(shown: int, total: int, noun: str, which: str) -> str:
    """A sentence on what a figure has no room for; nothing where it shows all."""
    return "" if shown == total else f" Of {counted(total, noun)} {shown} are shown, {which}; the tables have all."


def few(names: Sequence[str], last: str = "and") -> str:
    """The same for a sentence: the first of many names, and the number of the others."""
    return listed(_first(names, NAMED), last)


def _first(names: Sequence[str], most: int) -> Sequence[str]:
    return names if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]


def range_of(values: Sequence[str]) -> str:
    """`5`, or `5 to 10`: the first and the last of rising values."""
    return " to ".join(dict.fromkeys((values[0], values[-1])))


def counted_range(counts: Sequence[int], noun: str) -> str:
    """`1 seed`, or `5 to 10 seeds`, of rising numbers."""
    return range_of([*map(str, counts[:-1]), counted(counts[-1], noun)])


def _bounds(low: float | None, high: float | None, digits: int, factor: float = 1.0) -> str:
    return "" if low is None else f" [{number(low, digits, factor)}, {number(high, digits, factor)}]"
