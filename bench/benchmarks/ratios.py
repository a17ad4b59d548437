"""Speeds measured in blocks: rates, ratios within a block, the error that a control shows, and cells of a table.

In: seconds per block. Out: estimates, sentences, cells. Touches: nothing.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench.report import statistics
from bench.report.document import Cell
from bench.report.wording.format import PERCENT, interval, number, percent, three_digits


def block_rates(unit: str, amount: float, seconds: Any) -> dict[str, float]:
    """The columns of a speed in a frame: `amount` per second in the median, the slowest and the fastest block."""
    return {
        "blocks": len(seconds),
        f"{unit}_per_second": amount / float(np.median(seconds)),
        "slowest_block": amount / float(seconds.max()),
        "fastest_block": amount / float(seconds.min()),
    }


def times_as_fast(ours: Any, theirs: Any) -> statistics.Estimate | None:
    """theirs / ours, both in seconds (blocks,): the geometric mean and its interval; None where theirs is None."""
    if theirs is None:
        return None
    found = statistics.mean(np.log(theirs / ours))
    low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
    return statistics.Estimate(math.exp(found.value), low, high, found.n)


def ratios(found: statistics.Estimate | None) -> dict[str, float | None]:
    """The columns of a ratio in a frame, each None where there is no ratio."""
    if found is None:
        return dict.fromkeys(("ratio", "ratio_low", "ratio_high"))
    return {"ratio": found.value, "ratio_low": found.low, "ratio_high": found.high}


def control(again: pd.DataFrame) -> dict[str, Any]:
    """Of ratios of one side to itself: their number, how many exclude 1 (false alarms), and the largest deviation."""
    again = again.dropna(subset=["ratio_low"])
    alarms = again[(again["ratio_low"] > 1) | (again["ratio_high"] < 1)]
    worst = float(np.exp(np.abs(np.log(again["ratio"])).max()) - 1) if len(again) else None
    return {"cases": len(again), "false_alarms": len(alarms), "largest_deviation": worst}


def of_control(found: Mapping[str, Any], name: str) -> list[str]:
    """The control as a sentence; no sentence where nothing was compared with itself."""
    if not found["cases"]:
        return []
    return [
        f"Control: {name} against itself differs from 1 at 95 % in {found['false_alarms']} of "
        f"{found['cases']} cases, by at most {number(found['largest_deviation'], 1, PERCENT)} %."
    ]


def spread(line: Mapping[str, Any], rate: str, unit: float = 1.0) -> Cell:
    """The median rate, and those of the slowest and the fastest block, in `unit`s."""
    median, slowest, fastest = (three_digits(line[key] / unit) for key in (rate, "slowest_block", "fastest_block"))
    return Cell(f"{median} [{slowest}, {fastest}]", line[rate] / unit)


def ratio(line: Mapping[str, Any]) -> Cell:
    """The ratio and its interval."""
    return Cell(interval(line["ratio"], line["ratio_low"], line["ratio_high"], 2), line["ratio"])


def share(value: float | None) -> Cell:
    """A share in whole percent."""
    return Cell(percent(value), None if value is None else PERCENT * value)
