"""A study at a glance: one line per block, one column per arm.

In: a Summary. Out: cells of text. Touches: nothing.
"""

import pandas as pd

from bench.report.analysis import pairs
from bench.report.analysis.summary import Summary

TITLE = "At a glance: mean test accuracy in percent; * with diverged runs, which are in no mean"
Cells = list[list[str]]  # the first line is the header, the first column text, the others numbers


def grid(summary: Summary, intervals: bool) -> Cells:
    """Mean, and with `intervals` its 95 % interval, of each arm in each block; "-" where there is no mean."""
    arms = list(dict.fromkeys(summary.table["initializer"].sort_values()))
    header = ["block", *arms]
    lines = summary.table.assign(block=_block_of_line(summary)).set_index(["block", "initializer"])
    digits = dict(zip(summary.blocks["name"], map(pairs.digits, summary.blocks["margin_points"]), strict=True))
    return [header, *([name, *(_cell(lines, name, arm, digits[name], intervals) for arm in arms)] for name in digits)]


def _block_of_line(summary: Summary) -> list[str]:
    choices = list(summary.blocks.columns[: summary.blocks.columns.get_loc("label")])
    names = {repr(tuple(block[choices])): block["name"] for _, block in summary.blocks.iterrows()}
    return [names[repr(tuple(line[choices]))] for _, line in summary.table.iterrows()]


def _cell(lines: pd.DataFrame, block: str, arm: str, digits: int, intervals: bool) -> str:
    if (block, arm) not in lines.index:
        return "-"
    line = lines.loc[(block, arm)]
    if pd.isna(line["test_accuracy_mean"]):
        return "-" + "*" * bool(line["diverged"])
    shown = f"{100 * line['test_accuracy_mean']:.{digits}f}"
    if intervals and not pd.isna(line["test_accuracy_low"]):
        shown += f" [{100 * line['test_accuracy_low']:.{digits}f}, {100 * line['test_accuracy_high']:.{digits}f}]"
    return shown + "*" * bool(line["diverged"])
