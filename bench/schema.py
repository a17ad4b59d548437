"""The nouns: a run, the machine it happens on, the row it leaves, and a user's mistake.

In: nothing. Out: dataclasses. Touches: nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

SCHEMA = 2  # of a row; raise it when a reader of old rows would misread new ones

AUTO = "auto"  # of a setting that is decided on the spot

WORDS = ("task", "model", "normalization", "activation", "initializer", "dataset", "optimizer", "schedule")

OK, DIVERGED, FAILED, PREEMPTED = "ok", "diverged", "failed", "preempted"
FAILURES = ("error", "out_of_memory", "timeout", "killed")  # the classes of FAILED
FINAL = (OK, DIVERGED, FAILED)  # a run with one of these is done; a preempted one goes on


class UserError(Exception):
    """A mistake in a command or in the data, told in a sentence that names the way out. Exit code 2."""


@dataclass(frozen=True)
class Run:
    """One fully specified choice of everything, seed included.

    `choices` is flat: a word of the house maps to a name ("initializer": "he_normal"), a dotted key to an argument
    ("initializer.scale": 2.0), any other key to a setting of the task ("seed": 0). `functions` says which registered
    function stands behind a word, as conf/ names it: how a choice is carried out, not what it is, so not in the id.
    """

    study: str
    choices: Mapping[str, Any]
    functions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits over the choices alone: the same run in any study, on any machine, has one id."""
        text = json.dumps(self.choices, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def arguments(self, word: str) -> dict[str, Any]:
        """The arguments chosen for `word`, by their bare names; those of the task stand in the run without its name."""
        if word == "task":
            return {key: value for key, value in self.choices.items() if "." not in key and key not in (*WORDS, "seed")}
        prefix = f"{word}."
        return {key[len(prefix) :]: value for key, value in self.choices.items() if key.startswith(prefix)}


@dataclass(frozen=True)
class Checkpointing:
    """Where the checkpoints of runs are kept, and how far apart; by neither only when a run is asked to stop."""

    results: str  # the folder of rows
    seconds: float | None
    epochs: int | None


@dataclass(frozen=True)
class Machine:
    """Where a run happens. Nothing in here may change what is measured of it but its speed."""

    device: str  # "cpu" or "cuda"
    threads: int  # of torch, per process
    data: str  # the folder that holds the datasets
    download: bool  # whether a missing dataset may be fetched
    checkpointing: Checkpointing | None = None  # None: no run leaves a checkpoint
    compiled: bool = False  # by torch.compile, which rounds otherwise
    graphed: bool = False  # on a GPU, steps captured once and played again


@dataclass
class Row:
    """What a run left. `measures` are fractions (0..1), seconds, bytes; None where a number was not finite."""

    id: str
    study: str
    status: str
    choices: Mapping[str, Any]
    measures: dict[str, float | int | None] = field(default_factory=dict)
    curve: list[dict[str, float | int | None]] = field(default_factory=list)  # one entry per epoch
    environment: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None  # of a failed run: class, cause, traceback, attempts, node, device
    schema: int = SCHEMA
