"""What each command does, in terms of runs, rows and reports: one module per kind of command.

`COMMANDS` lists them. The first comment of conf/COMMAND.yaml says how a command is used and what it is for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Command:
    """Where a command is carried out, and how its command line is read.

    The function of a command takes its settings, in an argument of that name whose annotation says which they are, and
    returns the exit code. A `planned` command goes through Hydra's sweeper: before the settings, its function takes how
    to compose a configuration and how to launch jobs. `positional` is the key of the words that have none.
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
    "speed": Command("benchmarks", "speed"),
    "throughput": Command("benchmarks", "throughput"),
    "coverage": Command("benchmarks", "coverage"),
    "scale": Command("benchmarks", "scale"),
}
