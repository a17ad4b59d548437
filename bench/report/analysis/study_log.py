"""A study as Weights & Biases shows it: a line for each run, and the mean curve of each arm in each block.

In: rows. Out: a StudyLog. Touches: nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from bench.report.analysis import frame
from bench.report.analysis.blocks import blocks, names
from bench.rows.tracking import StudyLog
from bench.schema import FINAL, Row

Curves = dict[str, dict[str, list[tuple[float, float]]]]


def study_log(name: str, rows: Sequence[Row]) -> StudyLog:
    """The runs of a study that have ended."""
    ended = [row for row in rows if row.status in FINAL]
    return StudyLog(name, ended, [frame.of_run(row) for row in ended], mean_curves(ended))


def mean_curves(rows: Sequence[Row]) -> Curves:
    """By measure, and by arm and block (he_normal resnet20/batch): epochs, and the mean of the runs that have each."""
    found: Curves = defaultdict(dict)
    curved = blocks([row for row in rows if row.curve])
    for block, name in zip(curved, names(curved) if curved else (), strict=True):
        for arm, runs in block.arms.items():
            for measure, points in _means(runs).items():
                found[measure][f"{arm} {name}".strip()] = points
    return found


def _means(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    values: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for number, entry in enumerate(row.curve):
            epoch = entry.get("epoch", number)
            for measure, value in entry.items():
                if measure != "epoch" and value is not None and epoch is not None:
                    values[measure][epoch].append(value)
    return {measure: [(epoch, fmean(each[epoch])) for epoch in sorted(each)] for measure, each in values.items()}
