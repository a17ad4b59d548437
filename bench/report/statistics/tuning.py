"""What a search over the values of a grid finds, and how near to the best a value may lie.

In: scores. Out: numbers. Touches: nothing.
"""

import math
from collections.abc import Mapping, Sequence

from bench.report.statistics.sample import finite

ROUNDING = 1e-12  # of a difference of fractions


def expected_best(scores: Sequence[float]) -> list[float]:
    """The mean of the best of k scores, for k = 1 to all, over every choice of k of them.

    The curve of Dodge et al. (2019), with values drawn without replacement, as a grid is searched (Tang et al. 2020).
    Raises ValueError for no scores and for NaN.
    """
    ranked = sorted(finite(scores).tolist())
    count = len(ranked)
    return [
        math.fsum(score * math.comb(place, k - 1) for place, score in enumerate(ranked)) / math.comb(count, k)
        for k in range(1, count + 1)
    ]


def basin(scores: Mapping[float, float], margin: float) -> tuple[float, float]:
    """The lowest and the highest value around the best one between which every score is within `margin` of the best.

    Of several best values the lowest counts. Raises ValueError for no scores.
    """
    values = sorted(scores)
    best = values.index(max(values, key=lambda value: (scores[value], -value)))
    least = scores[values[best]] - margin - ROUNDING
    low = high = best
    while low > 0 and scores[values[low - 1]] >= least:
        low -= 1
    while high < len(values) - 1 and scores[values[high + 1]] >= least:
        high += 1
    return values[low], values[high]
