"""The statistics of a report: pure functions that raise ValueError for NaN, one module per question.

Random draws come from a generator that is an argument; a value is the plain statistic and never depends on it.
"""

from bench.report.statistics.comparisons import Difference, holm, paired_difference, sign_flips
from bench.report.statistics.intervals import interval, mean
from bench.report.statistics.rates import boschloo, newcombe, rate_equivalence, wilson
from bench.report.statistics.sample import Array, Estimate

__all__ = [
    "Array",
    "Difference",
    "Estimate",
    "boschloo",
    "holm",
    "interval",
    "mean",
    "newcombe",
    "paired_difference",
    "rate_equivalence",
    "sign_flips",
    "wilson",
]
