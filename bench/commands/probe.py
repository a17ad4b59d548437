"""The command `probe`: models as a sweep would build them, measured at initialization, and what repairs them.

In: how to compose a configuration, settings. Out: text, tables, a figure, and an exit code. Touches: the file of the
figure; data are read.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench import registry
from bench.bounds import Auto, Count, Positive
from bench.commands.shared import show
from bench.machine.files import os_reason
from bench.machine.settings import PlannedSettings
from bench.plan.plan import Compose, plan
from bench.report.document import Cell, Section, Sheet, Table, records
from bench.schema import Run, UserError

if TYPE_CHECKING:
    from bench.parts.dataset.tensors import Dataset
    from bench.signal.diagnosis import Diagnosis

EXAMPLES = 64
FEWEST = 8
NUMBERS = 2_000_000  # in a batch, at which a ResNet-50 takes half a minute on two cores
FIGURES = (".svg", ".png", ".pdf")


@dataclass(frozen=True, kw_only=True)
class ProbeSettings(PlannedSettings):
    """The settings of `probe`."""

    input: list[Count] | None
    classes: Count
    examples: Count | Auto
    learning_rate: Positive
    fix: bool
    output: str | None


def probe(compose: Compose, launch: Any, settings: ProbeSettings) -> int:
    """Print a diagnosis of each arm, over its seeds; 1 where one has a problem."""
    from bench.report.terminal import render

    runs = plan(compose, settings.study, settings.overrides).runs
    arms = [[*same] for _, same in itertools.groupby(sorted(runs, key=_arm), key=_arm)]
    if settings.output and (len(arms) > 1 or Path(settings.output).suffix not in FIGURES):
        raise UserError(
            f"output={settings.output} takes the figure of one arm, and these are {len(arms)}"
            if len(arms) > 1
            else f"output={settings.output} is no figure; end it with {', '.join(FIGURES)}"
        )
    found = [(_name(same[0], runs), diagnosed_arm(same, settings)) for same in arms]
    if settings.output:
        save(found[0][1], Path(settings.output))
    show(render(sheet(found, settings.fix), settings.format))
    return int(any(one.problems for _, one in found))


def _arm(run: Run) -> str:
    return repr(sorted((key, str(value)) for key, value in run.choices.items() if key != "seed"))


def _name(run: Run, runs: Sequence[Run]) -> str:
    """The model, and what sets the arm apart; of an option's arguments, those that differ between arms that have it."""

    def others(key: str) -> set[str]:
        word = key.partition(".")[0]
        alike = [one for one in runs if "." not in key or one.choices[word] == run.choices[word]]
        return {str(one.choices.get(key)) for one in alike}

    apart = [key for key in run.choices if key not in ("seed", "model") and len(others(key)) > 1]
    return ", ".join(str(run.choices[key]) for key in ("model", *apart))


def diagnosed_arm(runs: Sequence[Run], settings: ProbeSettings) -> "Diagnosis":
    """The diagnosis of the runs of one arm, which differ in their seeds."""
    from bench.parts.assembly import assembled
    from bench.signal.diagnosis import diagnosed
    from bench.train.contract import task_of

    task_of(runs[0]).check(runs[0])
    data = [data_of(run, settings) for run in runs]
    count = examples(data[0].shape, settings.examples)
    models = [assembled(run, one, count).model for run, one in zip(runs, data, strict=True)]
    images, labels = data[0].train.images[:count], data[0].train.labels[:count]
    return diagnosed(str(runs[0].choices["model"]), models, images, labels, settings.learning_rate, 0)


def data_of(run: Run, settings: ProbeSettings) -> "Dataset":
    """Noise of the shape of `input`, or the dataset of the run."""
    if settings.input is None:
        found: Dataset = registry.build(run, "dataset")(settings.data, settings.download, run.choices["seed"])
        return found
    from bench.parts.dataset.tensors import noise

    if len(settings.input) != 3:
        raise UserError(f"input takes channels, height and width, as 3,224,224, not {settings.input}")
    channels, height, width = settings.input
    return noise((channels, height, width), settings.classes, examples((channels, height, width), settings.examples))


def examples(shape: Sequence[int], asked: int | str) -> int:
    """How many examples are measured."""
    return asked if isinstance(asked, int) else max(FEWEST, min(EXAMPLES, NUMBERS // math.prod(shape)))


def save(found: "Diagnosis", file: Path) -> None:
    """Write the figure. Raises UserError where the file cannot be written."""
    try:
        found.plot().savefig(file)
    except OSError as refused:
        raise UserError(f"the figure cannot be written to {file}: {os_reason(refused)}") from refused


def sheet(found: Sequence[tuple[str, "Diagnosis"]], fix: bool) -> Sheet:
    """The diagnoses for people, and a line per arm and operation in full precision."""
    frames = [one.layers.assign(arm=name).set_index("arm").reset_index() for name, one in found]
    texts = [part for _, one in found for part in (one, one.fixed if fix else None) if part is not None]
    return Sheet(
        parts=(tuple(line for one in texts for line in str(one).splitlines()),),
        frame=pd.concat(frames),
        record={"models": [_record(name, one) for name, one in found]},
        page=tuple(Section(name, _page(one), 2) for name, one in found),
    )


def _record(name: str, one: "Diagnosis") -> dict[str, Any]:
    problems = [
        {"kind": each.kind, "layer": each.layer, "what": each.what, "expected": each.expected, "fix": each.fix}
        for each in one.problems
    ]
    after = None if one.fixed is None else _record(f"{name}, repaired", one.fixed)
    return {"arm": name, "problems": problems, "layers": records(one.layers), "fixed": after}


def _page(one: "Diagnosis") -> tuple[Any, ...]:
    shown = one.layers[["name", "second_moment", "expected_second_moment", "correlation", "gradient", "gain", "update"]]
    lines = tuple(
        tuple(Cell("" if pd.isna(value) else value if isinstance(value, str) else f"{value:.3g}") for value in line)
        for line in shown.itertuples(index=False)
    )
    said = tuple(each.text for each in one.problems) or ("No problem found.",)
    fix = (f"`{one.remedy.line}`",) if one.remedy else ()
    return (*said, *fix, Table("layers", "", tuple(shown.columns), lines))
