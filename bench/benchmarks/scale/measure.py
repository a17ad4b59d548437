"""The cost of the commands on a large store: synthetic rows of the default study, each command in its own process.

In: the number of rows, loose or sealed. Out: one row with seconds and memory. Touches: a temporary folder, processes.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.benchmarks.timed import timed
from bench.machine import environment
from bench.machine.settings import Study
from bench.plan.plan import Compose, plan
from bench.rows.record import text_of
from bench.rows.store import SEALED, Store
from bench.schema import DIVERGED, OK, Row, Run, UserError

COMMANDS = {"plan": (), "status": (), "report": ("output=off",)}
STUDY = "default"
TEST_IMAGES = 360
CURVE = ("train_loss", "validation_loss", "validation_accuracy")  # of each epoch
DRAWN = ("initial_loss", "initial_gradient_norm", "images_per_second", "seconds")  # measures, any numbers


def measure(compose: Compose, study: Study, count: int, form: str, into: str) -> Row:
    """The row of one store: seconds, those of the processor too, and peak memory in bytes of each command.

    Raises UserError for fewer rows than the default study has arms, and when a command fails.
    """
    seeds = seeds_for(compose, study, count)
    runs = plan(compose, study, [seeds]).runs
    choices = {"task": "scale", "rows": len(runs), "form": form}
    with tempfile.TemporaryDirectory() as results:
        fill(Store(results, STUDY), runs, form)
        measures: dict[str, float | int | None] = {}
        for command, words in COMMANDS.items():
            cost = timed(["bench", command, *words, *([seeds] if command == "plan" else []), f"results={results}"])
            measures |= {f"{command}_{name}": value for name, value in cost.items()}
    return Row(Run(into, choices).id, into, OK, choices, measures, environment=environment.describe())


def seeds_for(compose: Compose, study: Study, count: int) -> str:
    """The axis of seeds that gives the default study about `count` runs."""
    arms = len(plan(compose, study, ["seed=0"]).runs)
    if count < arms:
        raise UserError(f"rows={count} is not a row for each of {arms} arms; for example rows={1000 * arms}")
    return f"seed=range({count // arms})"


def fill(store: Store, runs: Sequence[Run], form: str) -> None:
    """Write a synthetic row for each run. No row is synced to the disk: they need not survive a power cut."""
    store.prepare()
    store.write_plan(run.id for run in runs)
    rows = synthetic(runs)
    if form == "loose":
        for row in rows:
            (store.folder / f"{row.id}.json").write_text(text_of(row), encoding="utf-8")
    else:
        with (store.folder / SEALED).open("w", encoding="utf-8") as file:
            file.writelines(map(text_of, rows))


def synthetic(runs: Sequence[Run]) -> Iterator[Row]:
    """Rows as training leaves them: a curve over the epochs, one run in fifty diverged, every number different."""
    generator, about = np.random.default_rng(0), environment.describe()
    for run in sorted(runs, key=lambda run: run.id):
        curve = [
            {"epoch": epoch, **dict(zip(CURVE, numbers, strict=True))}
            for epoch, numbers in enumerate(generator.random((run.choices["epochs"], len(CURVE))).tolist(), start=1)
        ]
        yield synthetic_row(run, generator.random(len(DRAWN)).tolist(), curve, about)


def synthetic_row(run: Run, numbers: list[float], curve: list[Any], about: Mapping[str, Any]) -> Row:
    """The row of one run."""
    diverged = numbers[0] < 0.02
    if diverged:
        curve[-1] = {"epoch": len(curve), "train_loss": None}
    reached = round(numbers[0] * TEST_IMAGES) / TEST_IMAGES
    measures = {
        **{key: curve[-1].get(key) for key in CURVE},
        "first_epoch_accuracy": curve[0].get("validation_accuracy"),
        **dict(zip(DRAWN, numbers, strict=True)),
        **{"steps": 114, "steps_to_loss": None, "peak_memory_bytes": 2**30},
        **({} if diverged else {"test_loss": numbers[1], "test_accuracy": reached, "test_evaluations": 1}),
    }
    data = {"dataset_checksum": run.choices["dataset.checksum"], "classes": 10, "test_images": TEST_IMAGES}
    place = {"device": "cpu", "threads": 1, "precision": "fp32", "layout": "channels_last", "train_images": 1257}
    finished = {"finished": f"2026-01-01T00:00:00+00:00 {run.id}"}  # as different as real times
    status = DIVERGED if diverged else OK
    return Row(run.id, run.study, status, run.choices, measures, curve, {**about, **finished, **place, **data})
