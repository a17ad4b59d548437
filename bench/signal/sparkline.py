"""Values as a line of bars in a terminal.

In: numbers. Out: text. Touches: nothing.
"""

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def sparkline(values: Sequence[float]) -> str:
    """Values as bars between their least and their greatest; at most WIDTH of them, evenly spaced."""
    step = math.ceil(len(values) / WIDTH)
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values[::step])


def of_powers(values: Sequence[float]) -> str:
    """Positive values by their logarithms, with the ends of their range; "" for none."""
    found = [math.log10(value) for value in values if 0 < value < math.inf]
    return f"{sparkline(found)}  {10 ** min(found):.2g} to {10 ** max(found):.2g}" if found else ""
