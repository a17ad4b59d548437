"""Whole commands, each in its own process: a sweep next to a script, and a sweep of very many runs.

In: runs, settings. Out: seconds, memory. Touches: processes, a temporary folder.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.benchmarks.row import Numbers
from bench.benchmarks.settings import SpeedSettings
from bench.benchmarks.speed import script
from bench.benchmarks.timed import timed
from bench.machine import environment
from bench.machine.machine import machine_of
from bench.plan.plan import Compose, declared, plan
from bench.rows.store import Store
from bench.schema import AUTO, Row, Run, UserError

Found = tuple[Numbers, list[Numbers], dict[str, Any]]

SAME = ("device", "threads", "processes", "packing")  # settings that a sweep here shares with this command
STUDY = "soak"
# one step of a tiny model: nearly all of its time is what every run costs beyond its training
SHORT = ("model=resnet8", "model.width=4", "dataset=synthetic", "batch_size=16", "steps=1")
FEW = 2  # runs of each process in the short sweep, which the long one is compared with
PARTS = 10  # of a long sweep, for its memory


def runs_of(compose: Compose, overrides: Sequence[str]) -> list[Run]:
    """The runs of the default study with these overrides; no runs without overrides.

    Raises UserError where the script cannot do such a run.
    """
    if not overrides:
        return []
    runs = plan(compose, declared(compose([])), overrides).runs
    script.check(runs)
    return runs


def sweeps(runs: Sequence[Run], settings: SpeedSettings) -> Found:
    """The seconds of the script and of our sweep for the same runs, from start to printed table, block after block."""
    curve: list[Numbers] = []
    for block in range(settings.sweep_blocks):
        with tempfile.TemporaryDirectory() as folder:
            commands = {"plain": as_script(runs, settings, Path(folder)), "sweep": as_sweep(settings, Path(folder))}
            order = [*commands] if block % 2 == 0 else [*commands][::-1]
            seconds = {name: timed(commands[name])["seconds"] for name in order}
        times = ", ".join(f"{name} {seconds[name]:.1f} s" for name in commands)
        print(f"sweep, block {block + 1} of {settings.sweep_blocks}: {times}", file=sys.stderr, flush=True)
        curve.append({"block": block, **{name: seconds[name] for name in commands}})
    return {"runs": len(runs)}, curve, {}


def as_script(runs: Sequence[Run], settings: SpeedSettings, folder: Path) -> list[str]:
    """The command that trains these runs by the script of the baseline."""
    file = folder / "runs.json"
    file.write_text(json.dumps([asdict(run) for run in runs]), encoding="utf-8")
    return ["bench.benchmarks.speed.script", str(file), machine_of(settings).device]


def as_sweep(settings: SpeedSettings, folder: Path) -> list[str]:
    """The command that trains the same runs by our sweep, with an empty cache of measurements."""
    return ["bench", "sweep", *settings.sweep, *places(folder, settings)]


def places(folder: Path, settings: SpeedSettings) -> list[str]:
    """Overrides: rows and cache in their own folder, data and machine as in these settings."""
    own = {"results": str(folder / "results"), "cache": str(folder / "cache"), "data": str(settings.data)}
    same = [f"{key}={getattr(settings, key)}" for key in SAME]
    return ["tracking=off", *(f"{key}={json.dumps(one)}" for key, one in own.items()), *same]


@dataclass(frozen=True)
class Swept:
    """A sweep from start to end, and the rows it left in the order in which its runs ended."""

    seconds: float
    rows: Sequence[Row]

    @property
    def own_seconds(self) -> float:
        """Seconds of all runs, by their rows."""
        return float(sum(row.measures["seconds"] or 0 for row in self.rows))

    @property
    def training_seconds(self) -> float:
        """Seconds of all steps."""
        return float(sum(map(training_seconds, self.rows)))


def training_seconds(row: Row) -> float:
    """Seconds of the steps of a run, from the images per second of its row."""
    images = (row.measures["steps"] or 0) * row.choices["batch_size"]
    return float(images / (row.measures["images_per_second"] or 1))


def soak(count: int, settings: SpeedSettings) -> Found:
    """What a run costs beyond its training, and how the memory of processes grows, in a sweep of very many runs."""
    processes = environment.usable_cores() if settings.processes == AUTO else int(settings.processes)
    few = FEW * processes
    if count <= few:
        raise UserError(f"soak={count} is not many next to {few} runs; for example soak=1000, or 0 to leave it out")
    settings = replace(settings, processes=processes)
    # the start of a sweep varies by a second: the mean of one before and one after varies less
    before, long, after = (swept(runs, settings) for runs in (few, count, few))
    found = [costs(short, long, processes) for short in (before, after)]
    measures: Numbers = {
        "runs": count,
        "processes": processes,
        "seconds": long.seconds,
        **{name: statistics.fmean(one[name] for one in found) for name in found[0]},
    }
    print(f"soak: {count} runs in {long.seconds:.1f} s", file=sys.stderr, flush=True)
    return measures, memory(long.rows), {}


def swept(count: int, settings: SpeedSettings) -> Swept:
    """Sweep `count` runs of one step. Raises UserError where one of them has no row."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"study={STUDY}", *SHORT, f"seed=range({count})", *places(Path(folder), settings)]
        seconds = timed(["bench", "sweep", *words])["seconds"]
        rows = Store(Path(folder) / "results", STUDY).read().rows.values()
    if len(rows) != count:
        raise UserError(f"soak: a sweep of {count} runs left {len(rows)} rows")
    return Swept(seconds, sorted(rows, key=lambda row: str(row.environment["finished"])))


def costs(short: Swept, long: Swept, processes: int) -> dict[str, float]:
    """Seconds of a process per run, beyond its training steps, and outside the run itself.

    Both are slopes between two sweeps, the wall clock times the processes, less the seconds in the rows: what
    every sweep costs once, such as imports, is in neither.
    """
    runs = len(long.rows) - len(short.rows)
    spent = processes * (long.seconds - short.seconds)
    return {
        "overhead_seconds": (spent - long.training_seconds + short.training_seconds) / runs,
        "outside_seconds": (spent - long.own_seconds + short.own_seconds) / runs,
    }


def memory(rows: Sequence[Row]) -> list[Numbers]:
    """The most memory that any process has held by the end of each tenth of the runs, in bytes."""
    ends = [len(rows) * part // PARTS for part in range(1, PARTS + 1)]
    return [
        {"runs": end, "peak_memory_bytes": max(row.measures["peak_memory_bytes"] or 0 for row in rows[:end])}
        for end in ends
        if end
    ]
