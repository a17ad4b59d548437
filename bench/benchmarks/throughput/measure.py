"""Measures every library on every case, block after block, with pytest-benchmark.

In: settings. Out: one row per case. Touches: the device, and a temporary folder.

A case is a law on a target. All its libraries are timed in one block, then again in the next, each time in another
order, so that a drift of the machine, and what a library leaves in the caches for the next one, affect all of them
alike. Ratios are taken within a block.
"""

import contextlib
import importlib.util
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench import registry
from bench.benchmarks.row import row_of
from bench.benchmarks.settings import ThroughputSettings
from bench.benchmarks.throughput import target, timing
from bench.benchmarks.throughput.libraries import LAWS, LIBRARIES, Fill, installed
from bench.benchmarks.throughput.target import Target
from bench.machine.machine import machine_of
from bench.schema import Machine, Row, UserError
from bench.train.segment import device_name

MEDDLING = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")  # variables by which an outer pytest would change the timing
TIMER = ("pytest", "pytest-benchmark")  # the extra [throughput]
LARGEST = {"orthogonal": 2**23}  # elements: a QR decomposition of 4096 x 4096 takes seconds


@dataclass(frozen=True)
class Case:
    """A law on a target, and the fill of every library that has it."""

    law: str
    target: Target
    fills: Mapping[str, Fill]


@dataclass(frozen=True)
class Measurement:
    """One library in one block of a case."""

    case: Case
    library: str
    block: int

    @property
    def fill(self) -> Fill:
        """What is timed."""
        return self.case.fills[self.library]

    def label(self) -> dict[str, Any]:
        """Its law, target, library and block, as plain values."""
        return {"law": self.case.law, "target": self.case.target.name, "library": self.library, "block": self.block}


class Plugin:
    """The plug-in that gives pytest the measurements, in this order."""

    def __init__(self, measurements: list[Measurement], device: str) -> None:
        self.measurements = measurements
        self.timer = {"timer": cuda_clock()} if device == "cuda" else {}

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Called by pytest for `timing.test_fill`."""
        metafunc.parametrize("measurement", [self.parameter(one) for one in self.measurements])

    def parameter(self, one: Measurement) -> Any:
        """The measurement with its name and its group."""
        import pytest

        group = pytest.mark.benchmark(group=f"{one.case.law} {one.case.target.name}", **self.timer)
        return pytest.param(one, id=" ".join(map(str, one.label().values())), marks=group)


def measure(settings: ThroughputSettings) -> tuple[list[Row], list[str]]:
    """The rows of all cases, and a remark on each library that failed in one.

    Raises UserError, before anything is measured, for a law, shape, network or number that does not exist, and where
    pytest-benchmark is not installed.
    """
    if missing := [one for one in TIMER if importlib.util.find_spec(one.replace("-", "_")) is None]:
        raise UserError(f"throughput needs {' and '.join(missing)}; install with: pip install -e '.[throughput]'")
    settings = settings.quickened() if settings.quick else settings
    for law in settings.law:
        registry.refuse_unknown("law", law, LAWS)
    machine = machine_of(settings)
    torch.set_num_threads(machine.threads)
    cases = list(cases_of(settings, machine.device))
    if not cases:
        raise UserError("nothing is measured: name a law and a shape or a network, such as shape=[64x64x3x3]")
    turns = [one for case in cases for one in measurements(case, settings.blocks)]
    found = timed(turns, settings.seconds, machine.device)
    rows = [row(case, found, settings, machine) for case in cases]
    labels = [one["extra_info"] for one in found]
    return rows, [f"{' '.join(map(str, one.label().values()))} failed" for one in turns if one.label() not in labels]


def cases_of(settings: ThroughputSettings, device: str) -> Iterator[Case]:
    """Each law on each tensor that is not too large for it, and on each model where it is a model's law."""
    targets = [target.tensor(name, device) for name in settings.shape]
    targets += [target.network(name, device) for name in settings.network]
    missing = [name for name, version in installed().items() if version is None]
    for one in targets:
        for law in settings.law:
            fills = {name: fill(law, one) for name, fill in LIBRARIES.items() if name not in missing}
            if fills["initbench"] and one.elements <= LARGEST.get(law, sys.maxsize):
                yield Case(law, one, {name: fill for name, fill in fills.items() if fill})


def measurements(case: Case, blocks: int) -> Iterator[Measurement]:
    """The libraries of a case, block after block, in an order that is drawn for each."""
    order = random.Random(f"{case.law} {case.target.name}")
    for block in range(blocks):
        for library in order.sample([*case.fills], len(case.fills)):
            yield Measurement(case, library, block)


def timed(turns: list[Measurement], seconds: float, device: str) -> list[dict[str, Any]]:
    """The results of pytest-benchmark for each measurement; its table goes to standard error."""
    import pytest

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        report, configuration = Path(folder) / "report.json", Path(folder) / "pytest.ini"
        configuration.write_text("[pytest]\n", encoding="utf-8")  # not the user's, which may turn warnings into errors
        arguments = [
            *(str(Path(timing.__file__)), "-c", str(configuration), "--rootdir", folder, "--capture=no", "-q"),
            *("--disable-plugin-autoload", "-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider"),
            *("--import-mode=importlib", f"--benchmark-json={report}", f"--benchmark-storage=file://{folder}"),
            *("--benchmark-quiet", "--benchmark-disable-gc"),
            *(f"--benchmark-max-time={seconds}", "--benchmark-min-rounds=2", "--benchmark-sort=name"),
            *("--benchmark-warmup=on", "--benchmark-warmup-iterations=1", "--benchmark-columns=median,rounds"),
        ]
        with pytest.MonkeyPatch.context() as environ:
            for name in MEDDLING:
                environ.delenv(name, raising=False)
            pytest.main(arguments, plugins=[Plugin(turns, device)])
        if not report.is_file():
            raise UserError("pytest-benchmark measured nothing; its message stands above")
        return list(json.loads(report.read_text(encoding="utf-8"))["benchmarks"])


def row(case: Case, found: list[dict[str, Any]], settings: ThroughputSettings, machine: Machine) -> Row:
    """The row of a case, of all results: an entry of its curve has the median seconds of a fill by each library."""
    choices = {
        "law": case.law,
        "target": case.target.name,
        "device": machine.device,
        "threads": machine.threads,
        "blocks": settings.blocks,
        "seconds": settings.seconds,
    }
    blocks: list[dict[str, Any]] = [{"block": block} for block in range(settings.blocks)]
    rounds = []
    for about, stats in ((one["extra_info"], one["stats"]) for one in found):
        if (about["law"], about["target"]) == (case.law, case.target.name):
            blocks[about["block"]][about["library"]] = stats["median"]
            rounds.append(stats["rounds"] * stats["iterations"])
    measures = {"elements": case.target.elements, "fills": sum(rounds), "fewest_fills": min(rounds, default=0)}
    about = {**installed(), "device_name": device_name(machine)}
    return row_of("throughput", settings.study.name, choices, measures, blocks, **about)


def cuda_clock() -> Any:
    """A clock of the device, in seconds, by events: reading it waits for all kernels launched before."""
    first = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    first.record()

    def clock() -> float:
        now = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        now.record()
        now.synchronize()
        return float(first.elapsed_time(now)) / 1000

    return clock
