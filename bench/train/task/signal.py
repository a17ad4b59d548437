"""The task `signal`: what a model does with its first batch before it learns. Nothing is trained.

In: runs and a machine. Out: their rows. Touches: nothing; data are read.
"""

import math
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
from bench.signal.flow import Flow
from bench.signal.measure import Measurement, measure
from bench.signal.problems import problems, risk
from bench.train.contract import Cost, Task

Prepared = tuple[nn.Module, Split]


@task
@dataclass(frozen=True, kw_only=True)
class Signal(Task):
    """Measure the model of a run on its first images, as `python -m bench probe` does."""

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
        return [Row(run.id, run.study, OK, run.choices, measures, environment=about)]

    def _measured(self, prepared: Prepared, seed: int) -> Measurement:
        model, batch = prepared
        return measure(model, batch.images, batch.labels, self.intended_rate, seed)


def summary(found: Measurement) -> dict[str, float | int | None]:
    """A measurement in some numbers; None where one is unknown or not finite.

    signal_growth and gradient_growth: the second moment of the last layer's input by that of the first layer's output,
    and of the gradient there, going back, in powers of ten.
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
    }
    return {name: one if one is not None and math.isfinite(one) else None for name, one in numbers.items()}


def _powers(one: float | None, other: float | None) -> float | None:
    return math.log10(one / other) if one and other else None
