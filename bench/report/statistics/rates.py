"""The interval of a rate, such as that of divergence.

In: counts. Out: an Estimate. Touches: nothing.
"""

import math

from scipy.special import ndtri

from bench.report.statistics.sample import LEVEL, Estimate, checked_level


def wilson(count: int, total: int, level: float = LEVEL) -> Estimate:
    """The rate count / total with Wilson's score interval (Wilson 1927), sound at rates of 0 and 1 and at small totals.

    Raises ValueError unless 0 <= count <= total and total >= 1.
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is not a rate")
    rate, z = count / total, float(ndtri((1 + checked_level(level)) / 2))
    center = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    low = center - reach if count else 0.0  # exact there; the formula leaves 1e-17
    high = center + reach if count < total else 1.0
    return Estimate(rate, low, high, total)
