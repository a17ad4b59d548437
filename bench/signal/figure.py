"""The signal, the gradient and the correlation along the depth of a network, and what theory expects.

In: the frame of a diagnosis. Out: matplotlib's Figure. Touches: nothing.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.signal.operations import JOIN, LAYER

BLUE, GREY = "#0072B2", "#595959"
PANELS = (
    ("second_moment", "second moment of the output", "log"),
    ("gradient", "gradient by the output", "log"),
    ("correlation", "cosine of two examples", "linear"),
)
NAMES = 12  # under the lowest panel


def drawn(frame: pd.DataFrame, title: str) -> Figure:
    """Three panels over the layers and sums in their order; a band between draws, where there are several."""
    shown = frame[frame["kind"].isin([LAYER, JOIN])].reset_index(drop=True)
    sheet = Figure(figsize=(7.0, 6.0), layout="constrained")
    axes = sheet.subplots(len(PANELS), 1, sharex=True)
    for axis, (column, label, scale) in zip(axes, PANELS, strict=True):
        _line(axis, shown, column)
        axis.set(yscale=scale, title=label)
        axis.title.set(fontsize=9, ha="left", x=0)
        axis.spines[["top", "right"]].set_visible(False)
    step = -(-len(shown) // NAMES)
    places = [*range(0, len(shown), step)]
    axes[-1].set_xticks(places, [shown["name"][place] for place in places], rotation=30, ha="right", fontsize=7)
    sheet.suptitle(title, fontsize=10)
    return sheet


def _line(axis: Axes, shown: pd.DataFrame, column: str) -> None:
    values = shown[column].where(shown[column] != 0)
    axis.plot(shown.index, values, color=BLUE, marker="o", markersize=3, linewidth=1)
    if f"{column}_low" in shown:
        axis.fill_between(
            shown.index, shown[f"{column}_low"], shown[f"{column}_high"], color=BLUE, alpha=0.2, linewidth=0
        )
    if shown[f"expected_{column}"].notna().any():
        axis.plot(shown.index, shown[f"expected_{column}"], color=GREY, linestyle="--", linewidth=1, label="theory")
        low, high = (shown.get(f"expected_{column}_{end}") for end in ("low", "high"))
        if low is not None:
            axis.fill_between(shown.index, low, high, color=GREY, alpha=0.15, linewidth=0)
        axis.legend(frameon=False, fontsize=8)
