"""The statistics of a report, each a pure function that refuses NaN rather than pass it on: one room per question.

What is drawn comes from a generator that is handed in; a value is the plain statistic and never depends on it.
"""

from bench.report.statistics.comparisons import Difference, equivalence, holm, paired_difference
from bench.report.statistics.intervals import interval, mean
from bench.report.statistics.rates import jeffreys, wilson
from bench.report.statistics.sample import Array, Estimate

__all__ = [
    "Array",
    "Difference",
    "Estimate",
    "equivalence",
    "holm",
    "interval",
    "jeffreys",
    "mean",
    "paired_difference",
    "wilson",
]
