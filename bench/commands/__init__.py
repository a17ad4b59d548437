"""The commands: one module per kind of command.

`COMMANDS` lists them. The first comment of conf/COMMAND.yaml says how a command is used and what it is for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Command:
    """The function of a command, and how its command line is read.

    The function takes the argument `settings`, whose annotation names their class, and returns the exit code. A
    `planned` command goes through Hydra's sweeper: before the settings, its function takes a function that composes a
    configuration and one that launches jobs. `positional` is the key of the words that are given without a key.
    `settings` are the patterns of those keys of conf/settings.yaml, and of Hydra's launcher, that make a difference to
    the command: its help has no others.
    """

    module: str
    function: str
    planned: bool = False
    positional: str | None = None
    settings: tuple[str, ...] = ("*",)

    def load(self) -> Callable[..., int]:
        """Import the function; only now torch or Hydra may be imported."""
        function: Callable[..., int] = getattr(import_module(f"bench.commands.{self.module}"), self.function)
        return function


ROWS = ("study", "results")
STAGES = ("study.until", "study.tune.*", "study.screen.*")
PLANNING = (*ROWS, "format", "device", "study.axes", "study.skip", "study.looks", *STAGES)
MACHINE = ("device", "threads", "data", "cache", "graph")
MEASURING = (*MACHINE, "processes", "packing")
JUDGING = ("study.margin", "study.rate_margin", "study.line")
LAUNCHER = "hydra/launcher"
WORKING = ("checkpoint.every", "attempts", "timeout", "lease_expiry", "retry", "tracking*")

COMMANDS = {
    "sweep": Command("sweep", "sweep", planned=True),
    "run": Command("sweep", "run", planned=True, settings=(*ROWS, LAUNCHER, *MACHINE, "download", "compile", *WORKING)),
    "plan": Command(
        "sweep",
        "plan",
        planned=True,
        settings=(*PLANNING, LAUNCHER, *MEASURING, "download", "compile", "retry", "unfit", *JUDGING),
    ),
    "reproduce": Command("reproduce", "reproduce", planned=True, positional="claims"),
    "status": Command("status", "status", settings=(*ROWS, "format", "lease_expiry")),
    "doctor": Command(
        "doctor", "doctor", settings=("results", "format", LAUNCHER, *MEASURING, "download", "checkpoint.every")
    ),
    "report": Command(
        "report", "report", settings=(*ROWS, "format", *JUDGING, "study.question", "study.looks", *STAGES)
    ),
    "recommend": Command(
        "recommend", "recommend", planned=True, settings=(*ROWS, "format", *MEASURING, "download", *JUDGING)
    ),
    "list": Command("list", "list_names", positional="kind", settings=("format",)),
    "why": Command("why", "why", planned=True, positional="runs", settings=PLANNING),
    "verify": Command("verify", "verify", planned=True, settings=PLANNING),
    "merge": Command("merge", "merge", positional="folders", settings=(*ROWS, "format")),
    "seal": Command("rows", "seal", settings=ROWS),
    "sync": Command("rows", "sync", settings=(*ROWS, "tracking*")),
    "probe": Command("probe", "probe", planned=True, settings=("study", "format", "data", "download")),
    "speed": Command("benchmarks", "speed", settings=(*ROWS, "format", *MEASURING, "compile")),
    "throughput": Command("benchmarks", "throughput", settings=(*ROWS, "format", "device", "threads")),
    "coverage": Command("benchmarks", "coverage", settings=(*ROWS, "format")),
    "error_rates": Command("benchmarks", "error_rates", settings=(*ROWS, "format", "processes", *JUDGING)),
    "probe_error_rates": Command("benchmarks", "probe_error_rates", settings=(*ROWS, "format")),
    "scale": Command("benchmarks", "scale", settings=(*ROWS, "format")),
}
