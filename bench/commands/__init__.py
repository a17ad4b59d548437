"""What each command does, in terms of runs, rows and reports: one module per kind of command.

`COMMANDS` lists them. The first comment of conf/COMMAND.yaml says how a command is used and what it is for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Command:
    """Where a command is carried out, and how its command line is read.

    A `planned` command composes a study with Hydra's sweeper; its function takes what the sweeper hands over. The
    function of any other command takes the composed configuration. Both return the exit code. `positional` is the key
    of the words that have none.
    """

    module: str
    function: str
    planned: bool = False
    positional: str | None = None

    def load(self) -> Callable[..., int]:
        """Import the function; only now torch or Hydra may be imported."""
        function: Callable[..., int] = getattr(import_module(f"bench.commands.{self.module}"), self.function)
        return function

    def job(self) -> Callable[[Any], Any]:
        """The function that Hydra calls with a configuration; for a planned command, once per job of the launcher."""
        return Command("sweep", "train").load() if self.planned else self.load()


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
    "speed": Command("speed", "speed"),
    "throughput": Command("throughput", "throughput"),
    "coverage": Command("coverage", "coverage"),
    "scale": Command("scale", "scale"),
}
