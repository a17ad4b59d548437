"""The task `signal`: what a model does with its first batch before it learns. Nothing is trained.

In: runs and a machine. Out: their rows. Touches: nothing; data are read.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from torch import nn

from bench import registry
from bench.bounds import Count, Positive
from bench.machine import environment
from bench.parts.assembly import assembled
from bench.parts.dataset.tensors import Dataset, Split
from bench.registry import task
from bench.schema import OK, Machine, Row, Run
from bench.signal.diagnosis import frame
from bench.signal.flow import Flow
from bench.signal.measure import Measurement, measure
from bench.signal.operations import JOIN, LAYER, NORM
from bench.signal.problems import problems, risk
from bench.train.contract import Cost, Task

ALONG = (  # columns of `Diagnosis.layers`
    *("second_moment", "gradient", "correlation", "expected_second_moment", "expected_second_moment_low"),
    *("expected_second_moment_high", "expected_gradient", "expected_correlation"),
)

Prepared = tuple[nn.Module, Split]


@task
@dataclass(frozen=True, kw_only=True)
class Signal(Task):
    """Measure the model of a run on its first images, as `python -m bench probe` does.

    The curve of a row has an entry per layer and sum of two paths, in their order.
    """

    batch_size: Count
    intended_rate: Positive

    def prepare(self, run: Run, machine: Machine) -> Prepared:
        """Load the data, build the model and draw its weights."""
        data: Dataset = registry.build(run, "dataset")(machine.data, machine.download, run.choices["seed"])
        batch = data.train.take(torch.arange(min(self.batch_size, data.sizes[0])))
        return assembled(run, data, self.batch_size).model.to(machine.device), batch

    def cost(self, run: Run, machine: Machine, prepared: Prepared) -> Cost:
        """One step: a measurement."""

        def step(count: int, graphed: bool) -> Callable[[], None]:
            def measured() -> None:
                self._measured(prepared, 0)

            return measured

        shape = "x".join(map(str, prepared[1].images.shape))
        return Cost(1, step, f"signal {run.choices['model']} {run.choices['normalization']} {shape}", stacks=False)

    def perform(self, runs: Sequence[Run], machine: Machine) -> list[Row]:
        """Measure the model of one run."""
        (run,) = runs
        started = time.perf_counter()
        found = self._measured(self.prepare(run, machine), int(run.choices["seed"]))
        measures = summary(found) | {"seconds": time.perf_counter() - started}
        about = {**environment.describe(), "device": machine.device, "threads": machine.threads, "packed": 1}
        about["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        return [Row(run.id, run.study, OK, run.choices, measures, along_depth(found), environment=about)]

    def _measured(self, prepared: Prepared, seed: int) -> Measurement:
        model, batch = prepared
        return measure(model, batch.images, batch.labels, self.intended_rate, seed)


def summary(found: Measurement) -> dict[str, float | int | None]:
    """A measurement in some numbers; None where one is unknown or not finite.

    signal_growth and gradient_growth: the second moment of the last layer's input by that of the first layer's output,
    and of the gradient there, going back, in powers of ten. speed: the learning rate times the tangent kernel. gain and
    bias_std: of the layer in the middle, where neither norms nor shortcuts add to what they do.
    """
    flow = Flow(found)
    first, last = flow.layers[0], flow.source(flow.layers[-1]) or flow.layers[-1]
    low, high = found.jacobian or (math.nan, math.nan)
    numbers = {
        "problems": len(problems(found)),
        "risk": risk(found),
        "initial_loss": found.loss,
        "signal_growth": _powers(last.second_moment, first.second_moment),
        "gradient_growth": _powers(first.gradient, last.gradient),
        "correlation": last.correlation,
        "least_singular_value": low,
        "greatest_singular_value": high,
        "largest_stable_rate": found.largest_stable_rate,
        "speed": flow.speed,
    }
    if all(one.kind not in (NORM, JOIN) for one in found.operations):
        weights = [flow.weight(layer) for layer in flow.layers]
        numbers["gain"] = statistics.median(one.gain for one in weights)
        numbers["bias_std"] = statistics.median(one.bias_std or 0.0 for one in weights)
    return {name: _finite(one) for name, one in numbers.items()}


def along_depth(found: Measurement) -> list[dict[str, float | int | None]]:
    """The measures of each layer and sum of two paths, and what theory expects of them, as in `Diagnosis.layers`."""
    layers = frame(Flow(found))
    shown = layers[layers["kind"].isin([LAYER, JOIN])]
    return [{str(name): _finite(one) for name, one in line.items()} for line in shown[[*ALONG]].to_dict("records")]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _powers(one: float | None, other: float | None) -> float | None:
    return math.log10(one / other) if one and other else None
