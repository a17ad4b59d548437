"""Speeds that are measured in blocks: ratios within a block, what a control says of them, and how they are written.

In: seconds per block. Out: estimates, text. Touches: nothing.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench.report import statistics


def times_as_fast(ours: Any, theirs: Any) -> statistics.Estimate | None:
    """theirs / ours, both seconds (blocks,): the geometric mean and its interval; None where there are no others."""
    if theirs is None:
        return None
    found = statistics.mean(np.log(theirs / ours))
    low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
    return statistics.Estimate(math.exp(found.value), low, high, found.n)


def ratios(found: statistics.Estimate | None) -> dict[str, float | None]:
    """The columns of such a ratio, each None where there is none."""
    if found is None:
        return dict.fromkeys(("ratio", "ratio_low", "ratio_high"))
    return {"ratio": found.value, "ratio_low": found.low, "ratio_high": found.high}


def control(again: pd.DataFrame) -> dict[str, Any]:
    """What ratios of something to itself say of this method: intervals that exclude 1 are false alarms."""
    again = again.dropna(subset=["ratio_low"])
    alarms = again[(again["ratio_low"] > 1) | (again["ratio_high"] < 1)]
    worst = float(np.exp(np.abs(np.log(again["ratio"])).max()) - 1) if len(again) else None
    return {"cases": len(again), "false_alarms": len(alarms), "largest_deviation": worst}


def of_control(said: Mapping[str, Any], name: str) -> list[str]:
    """The same as a sentence, none where nothing was compared with itself."""
    if not said["cases"]:
        return []
    return [
        f"Control: {name} against itself differs from 1 at 95 % in {said['false_alarms']} of "
        f"{said['cases']} cases, by at most {100 * said['largest_deviation']:.1f} %."
    ]


def three_digits(value: float) -> str:
    """A number above 0 with three digits, or all that stand before its point."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def spread(one: Mapping[str, Any], rate: str, unit: float = 1.0) -> str:
    """The median rate, and that of the slowest and the fastest block, in so many of a unit."""
    return "{} [{}, {}]".format(*(three_digits(one[key] / unit) for key in (rate, "slowest_block", "fastest_block")))


def ratio(one: Mapping[str, Any]) -> str:
    """A ratio and its interval, "-" where there is none."""
    if one["ratio"] is None:
        return "-"
    return "{:.2f}".format(one["ratio"]) + (
        "" if one["ratio_low"] is None else f" [{one['ratio_low']:.2f}, {one['ratio_high']:.2f}]"
    )


def percent(value: float | None) -> str:
    """A share in whole percent, "-" where there is none."""
    return "-" if value is None else f"{100 * value:.0f} %"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The lines as dictionaries, None where there is no number."""
    return [{str(key): None if pd.isna(one) else one for key, one in line.items()} for line in table.to_dict("records")]
