"""Numbers and names as the captions, tooltips and labels of the figures have them.

In: numbers and names. Out: text. Touches: nothing.
"""

import re
from collections.abc import Sequence
from typing import Any

LEVEL = 0.95  # of every interval of a report
NAMED = 6  # things named in one list


def confidence() -> str:
    """The level of the intervals in percent."""
    return f"{100 * LEVEL:g} %"


def spread(there: bool, kind: str) -> str:
    """How a caption goes on about the intervals of its means; `kind` is interval or band."""
    return f", with its {confidence()} {kind}" if there else "; no arm has two of them, so there is no interval"


def counted(count: int, noun: str) -> str:
    """So many of something: 1 block, 2 blocks."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(things: Sequence[str], separator: str = "; ") -> str:
    """The first few of a list, and how many more there are."""
    more = f"{separator}{len(things) - NAMED} more" if len(things) > NAMED else ""
    return separator.join(things[:NAMED]) + more


def left_out(shown: int, total: int, noun: str, which: str) -> str:
    """A sentence on what a figure has no room for; nothing where it shows all."""
    return "" if shown == total else f" Of {counted(total, noun)} {shown} are shown, {which}; the tables have all."


def accuracy(line: dict[str, Any], digits: int) -> str:
    """The mean accuracy of a line in percent, with its interval where there is one, and its n."""
    ends = [line[f"test_accuracy_{end}"] for end in ("mean", "low", "high")]
    value, low, high = (None if end is None else 100 * end for end in ends)
    return f"{percent(value or 0.0, low, high, digits)}, n = {line['converged']}"


def percent(value: float, low: float | None, high: float | None, digits: int) -> str:
    """A number in percent with its interval, where there is one."""
    inside = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f} %{inside}"


def interval(value: float, low: float | None, high: float | None, digits: int) -> str:
    """A number with its interval, where there is one."""
    inside = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{round(value, digits) + 0.0:.{digits}f}{inside}"  # + 0.0 turns -0.0 into 0.0


def broken(name: str, width: int) -> str:
    """The name in lines of about so many letters, broken after what joins its parts."""
    lines = [""]
    for part in re.findall(r"[^/_, =(]*[/_, =(]?", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip(" ") for line in lines)
