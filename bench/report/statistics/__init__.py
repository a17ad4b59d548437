"""The statistics of a report: pure functions that raise ValueError for NaN, one module per question.

Random draws come from a generator that is an argument; a value is the plain statistic and never depends on it.
"""

from bench.report.statistics.comparisons import Difference, equivalence, holm, paired_difference
from bench.report.statistics.intervals import interval, mean
from bench.report.statistics.rates import wilson
from bench.report.statistics.sample import Array, Estimate

__all__ = ["Array", "Difference", "Estimate", "equivalence", "holm", "interval", "mean", "paired_difference", "wilson"]
