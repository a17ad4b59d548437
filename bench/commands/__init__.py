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
    """

    module: str
    function: str
    planned: bool = False
    positional: str | None = None

    def load(self) -> Callable[..., int]:
        """Import the function; only now torch or Hydra may be imported."""
        function: Callable[..., int] = getattr(import_module(f"bench.commands.{self.module}"), self.function)
        return function


COMMANDS = {
    "sweep": Command("sweep", "sweep", planned=True),
    "run": Command("sweep", "run", planned=True),
    "plan": Command("sweep", "plan", planned=True),
    "status": Command("status", "status"),
    "doctor": Command("doctor", "doctor"),
    "report": Command("report", "report"),
    "list": Command("list", "list_names", positional="kind"),
    "why": Command("why", "why", planned=True, positional="runs"),
    "verify": Command("verify", "verify", planned=True),
    "merge": Command("merge", "merge", positional="folders"),
    "seal": Command("rows", "seal"),
    "sync": Command("rows", "sync"),
    "probe": Command("probe", "probe", planned=True),
    "speed": Command("benchmarks", "speed"),
    "throughput": Command("benchmarks", "throughput"),
    "coverage": Command("benchmarks", "coverage"),
    "error_rates": Command("benchmarks", "error_rates"),
    "probe_error_rates": Command("benchmarks", "probe_error_rates"),
    "scale": Command("benchmarks", "scale"),
}
