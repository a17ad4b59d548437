"""A diagnosis: what is wrong with a network at initialization, and the measures behind it, over one draw or several.

In: measurements of one model. Out: a Diagnosis, as text, as a frame, as a figure. Touches: nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit
from torch import Tensor, nn

from bench.signal.expected import theory
from bench.signal.flow import Flow
from bench.signal.measure import Measurement, measure
from bench.signal.operations import JOIN, LAYER
from bench.signal.problems import Problem, problems
from bench.signal.remedy import Remedy, remedy
from bench.signal.sparkline import of_powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREAD = ("second_moment", "correlation", "gradient")  # the columns that have an interval over draws
LEVEL = 0.95  # of the intervals
SHOWN = 24  # rows of the table in a terminal
EXPECTED = (
    *("expected_second_moment", "expected_second_moment_low", "expected_second_moment_high"),
    *("expected_correlation", "expected_gradient"),
)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Measurements of one model, one for each draw of its weights.

    `problems` is empty for a healthy model. A problem is listed where most draws have it, with the numbers of the
    first draw that does, and with how many do where there are several. `remedy` is what repairs the first of them, and
    `fixed` the diagnosis after it; both are None for a healthy model, and where nothing was found.
    """

    model: str
    measurements: tuple[Measurement, ...]
    remedy: Remedy | None = None
    fixed: "Diagnosis | None" = None

    @cached_property
    def problems(self) -> list[Problem]:
        """The problems that more than half of the draws have at the same place."""
        found = [problems(one) for one in self.measurements]
        counts: dict[tuple[str, str], list[Problem]] = {}
        for one in (problem for each in found for problem in each):
            counts.setdefault((one.kind, one.layer), []).append(one)
        fix = self.remedy.line if self.remedy else ""
        several = f" (in {{}} of {len(found)} draws)" if len(found) > 1 else ""
        return [
            replace(same[0], fix=fix, what=same[0].what + several.format(len(same)))
            for same in counts.values()
            if 2 * len(same) > len(found)
        ]

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A line per operation, means over the draws.

        name, kind and shape; mean, second_moment and its ratio to that of what feeds the operation; correlation and
        rank of the examples; gradient, its root mean square per example; dead and saturated shares; of a layer n_in,
        std, gain, needed_gain, update. expected_*: what theory says from the model's input on, the second moment with
        the band that holds 95 % of nets; empty where theory does not reach. Of several draws, _low and _high are the
        ends of the 95 % t interval of a mean, of the logarithm for the second moment and the gradient.
        """
        frames = [frame(Flow(one)) for one in self.measurements]
        joined = pd.concat(frames).groupby("place", sort=True)
        found = joined[["name", "kind", "shape"]].first().join(joined.mean(numeric_only=True))
        for column in SPREAD if len(frames) > 1 else ():
            spread = [interval([*values], log=column != "correlation") for _, values in joined[column]]
            found[[column, f"{column}_low", f"{column}_high"]] = spread
        return found.reset_index(drop=True)

    def __str__(self) -> str:
        """The verdict, the signal along depth as sparklines, and the layers."""
        first = self.measurements[0]
        lines = [f"{self.model}: {self._verdict()}", *(f"- {one.text}" for one in self.problems), *self._repair(), ""]
        lines += [f"{label:<22}{value}" for label, value in self._facts()]
        lines += ["", *self._sparklines(), "", *self._table()]
        lines += [f"note: {remark}" for remark in first.remarks]
        return "\n".join(lines)

    def _repair(self) -> list[str]:
        """The line that repairs the model, and what was measured after it."""
        if self.remedy is None or self.fixed is None:
            return ["no initializer of a short list repairs it"] if self.problems else []
        loss = "" if self.fixed.measurements[0].loss is None else f", loss {self.fixed.measurements[0].loss:.3g}"
        return [f"fix: {self.remedy.line}", f"     measured after it: {self.fixed._verdict()}{loss}"]

    def __repr__(self) -> str:
        return f"<Diagnosis of {self.model}: {self._verdict()}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython shows a diagnosis as it prints."""
        printer.text(str(self))

    def plot(self) -> "Figure":
        """The second moment, the gradient and the correlation along depth, with what theory expects."""
        from bench.signal.figure import drawn

        return drawn(self.layers, f"{self.model}: {self._verdict()}")

    def _verdict(self) -> str:
        count = len(self.problems)
        if not count:
            return "no problem found"
        return "1 problem" if count == 1 else f"{count} problems"

    def _facts(self) -> list[tuple[str, str]]:
        first = self.measurements[0]
        found = [("examples", f"{first.examples}"), ("operations", f"{len(first.operations)}")]
        if first.loss is not None and first.classes:
            loss = self._over_draws([one.loss for one in self.measurements])
            found.append(("loss", f"{loss}; of a guess {math.log(first.classes):.3g}"))
        if all(one.jacobian for one in self.measurements):
            least, greatest = zip(*(one.jacobian for one in self.measurements if one.jacobian), strict=True)
            ends = f"from {self._over_draws(least)} to {self._over_draws(greatest)}"
            found.append(("jacobian", f"singular values {ends}"))
        rates = [one.largest_stable_rate for one in self.measurements]
        if all(rates):
            stable = f"{self._over_draws(rates)} on this batch; intended {first.learning_rate:g}"
            found.append(("largest stable rate", stable))
        speeds = [Flow(one).speed for one in self.measurements]
        if None not in speeds:
            found.append(("speed", f"{self._over_draws(speeds)}, the learning rate times the tangent kernel"))
        return found

    def _over_draws(self, values: Sequence[float | None]) -> str:
        """The geometric mean of positive values, with its interval where there are several draws."""
        mean, low, high = interval([one for one in values if one is not None], log=True)
        return f"{mean:.3g}" if math.isnan(low) else f"{mean:.3g} ({low:.2g} to {high:.2g})"

    def _sparklines(self) -> list[str]:
        """The second moment and the gradient of the layers and sums, in their order."""
        shown = self.layers[self.layers["kind"].isin([LAYER, JOIN])]
        drawn = {label: of_powers([*shown[label.replace(" ", "_")]]) for label in ("second moment", "gradient")}
        return [f"{label:<22}{line}" for label, line in drawn.items() if line]

    def _table(self) -> list[str]:
        """The layers and sums, evenly spaced where there are many."""
        shown = self.layers[self.layers["kind"].isin([LAYER, JOIN])]
        step = max(math.ceil(len(shown) / SHOWN), 1)
        columns = ["name", "second_moment", EXPECTED[0], "correlation", "gradient", "gain", "needed_gain", "update"]
        part = shown.iloc[::step][columns].rename(columns={EXPECTED[0]: "by theory"})
        text: list[str] = part.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3g}").splitlines()
        rest = [f"one in {step} of {len(shown)} layers and sums; .layers has all"] if step > 1 else []
        return text + rest


def diagnosed(
    name: str, models: Sequence[nn.Module], images: Tensor, labels: Tensor | None, learning_rate: float, seed: int
) -> Diagnosis:
    """The diagnosis of a model, given once for each draw of its weights, with what repairs its first draw."""
    measurements = tuple(measure(one, images, labels, learning_rate, seed) for one in models)
    found = Diagnosis(name, measurements)
    if not found.problems:
        return found
    repaired = remedy(models[0], images, labels, measurements[0], seed)
    return replace(found, remedy=repaired[0], fixed=Diagnosis(name, (repaired[1],))) if repaired else found


def interval(values: Sequence[float], log: bool) -> tuple[float, float, float]:
    """The mean with its 95 % t interval, or the geometric mean; NaN for ends that one value does not have."""
    if log and not all(one > 0 for one in values):
        return float(np.mean(values)), math.nan, math.nan
    found = np.log(values) if log else np.asarray(values, dtype=float)
    mean, n = found.mean(), len(found)
    reach = stdtrit(n - 1, (1 + LEVEL) / 2) * found.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
    mean, low, high = map(math.exp if log else float, (mean, mean - reach, mean + reach))
    return mean, low, high


def frame(flow: Flow) -> pd.DataFrame:
    """A line per operation of one measurement: the columns of `Diagnosis.layers`, but for the intervals."""
    lines, expected = [], theory(flow)
    for one in flow.operations:
        fed = [flow.operations[place] for place in one.inputs if place >= 0]
        before = max(fed, key=lambda other: other.second_moment) if fed else None
        line: dict[str, object] = {
            "place": one.place,
            "name": one.name,
            "kind": one.kind,
            "function": one.function,
            "shape": "x".join(map(str, one.shape)),
            "mean": one.mean,
            "second_moment": one.second_moment,
            "ratio": one.second_moment / before.second_moment if before and before.second_moment else math.nan,
            "correlation": one.correlation,
            "rank": one.rank,
            "gradient": math.sqrt(one.gradient) if one.gradient is not None else math.nan,
            "dead": one.dead,
            "saturated": one.saturated,
        } | dict.fromkeys((*EXPECTED, "n_in", "std", "gain", "update", "needed_gain"))
        if one.place in expected:
            by = expected[one.place]
            line |= dict(zip(EXPECTED, (by.second_moment, *by.band, by.correlation, by.gradient), strict=True))
        if one.kind == LAYER and one.weight in flow.measured.weights:
            weight = flow.weight(one)
            line |= {"n_in": weight.n_in, "std": weight.std, "gain": weight.gain, "update": weight.update}
            line["needed_gain"] = None if flow.is_normalized(one) else flow.needed_gain(one)
        lines.append(line)
    found = pd.DataFrame(lines)
    numbers = found.columns.difference(["place", "name", "kind", "function", "shape"])
    return found.astype(dict.fromkeys(numbers, float))
