"""The figure of throughput: how many times as fast as torch.nn.init, with interval, beside the peers and the limits.

In: the rows of `python -m bench throughput`. Out: a Figure. Touches: nothing.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.benchmarks.throughput.table import LIMITS, OURS, REFERENCE, frame
from bench.report.document import Figure, records
from bench.report.figures import arms, style
from bench.report.figures.svg import Tips, drawing
from bench.report.wording.format import confidence, counted, interval, left_out
from bench.schema import Row

NAME = "throughput"
LAWS = 16
LIMIT_MARKS = dict(zip(LIMITS, ("|", "+"), strict=True))
PEER_MARKS = ("s", "^", "D", "v", "P", "X")
Case = dict[str, Any]  # a line of bench.benchmarks.throughput.table.frame


@style.styled()
def figures(rows: Sequence[Row]) -> list[Figure]:
    """Ratios of speed, a panel per law; none where no row compares with torch.nn.init."""
    cases = [case for case in records(frame(rows)) if case["ratio"] is not None] if rows else []
    if not any(case["library"] == OURS for case in cases):
        return []
    laws = sorted({case["law"] for case in cases})
    shown, targets = laws[:LAWS], list(dict.fromkeys(case["target"] for case in cases))
    looks, tips = _looks(cases), Tips()
    sheet, axes = style.panels(shown, 12 + 3.6 * len(targets), legend=6)
    for place, (law, axis) in enumerate(zip(shown, axes, strict=True)):
        for case in cases:
            if case["law"] == law and case["library"] in looks:
                _draw(axis, targets.index(case["target"]), case, looks[case["library"]], tips)
        _scales(axis, targets, place % style.per_line(len(shown)) == 0)
    ends = [case["ratio"] for case in cases if case["law"] in shown and case["library"] in looks]
    for axis in axes:
        axis.set_xlim(min(ends) / 1.5, max(ends) * 1.5)
    sheet.supxlabel(f"times as fast as {REFERENCE}")
    handles = [Line2D([], [], **look, linestyle="none") for look in looks.values()]
    sheet.legend(handles, list(looks), loc="outside upper center", ncols=len(looks))
    return [Figure(NAME, _caption(len(shown), len(laws)), drawing(sheet, NAME, tips), _alt(cases))]


def _looks(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Marks of ours, the peers in their order, and the limits."""
    libraries = dict.fromkeys(case["library"] for case in cases)
    peers = [name for name in libraries if name not in (OURS, *LIMITS) and not name.startswith(REFERENCE)]
    hollow = {"markerfacecolor": "none", "color": style.GREY}
    looks: dict[str, dict[str, Any]] = {OURS: {"marker": "o", "color": "black"}}
    looks |= {
        name: {"marker": PEER_MARKS[place % len(PEER_MARKS)], **hollow, "color": arms.COLOURS[1 + place % 4]}
        for place, name in enumerate(peers)
    }
    limits = {name: {"marker": mark, **hollow, "markersize": 6} for name, mark in LIMIT_MARKS.items()}
    return looks | {name: look for name, look in limits.items() if name in libraries}


def _draw(axis: Axes, y: int, case: Case, look: dict[str, Any], tips: Tips) -> None:
    ours = case["library"] == OURS
    drawn = axis.plot(case["ratio"], y, **look, linestyle="none", zorder=3 if ours else 2)
    if ours and case["ratio_low"] is not None:
        drawn += axis.plot([case["ratio_low"], case["ratio_high"]], [y, y], color="black")
    ratio = interval(case["ratio"], case["ratio_low"], case["ratio_high"], 2)
    tips.add(f"{case['library']}, {case['law']}, {case['target']}: {ratio}, n = {case['blocks']}", *drawn)


def _scales(axis: Axes, targets: Sequence[str], named: bool) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(10))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.axvline(1, color="black", linewidth=0.5)
    axis.set_ylim(len(targets) - 0.5, -0.5)
    axis.set_yticks(range(len(targets)), targets if named else [])
    axis.grid()


def _caption(shown: int, total: int) -> str:
    return (
        f"Speed of filling weights, as a multiple of {REFERENCE}: the geometric mean over blocks of time, ours with "
        f"its {confidence()} t interval, on a logarithmic scale. The limits are one stream of random numbers "
        "(generator) and writing zeros (memory), over as many elements."
        + left_out(shown, total, "law", "the first ones")
    )


def _alt(cases: Sequence[Case]) -> str:
    ours = sorted((case for case in cases if case["library"] == OURS), key=lambda case: case["ratio"])
    slowest, fastest = (f"{case['ratio']:.2f} ({case['law']}, {case['target']})" for case in (ours[0], ours[-1]))
    return f"Speed relative to {REFERENCE} in {counted(len(ours), 'case')}: {OURS} from {slowest} to {fastest}."
