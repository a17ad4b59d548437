"""The types that all rooms share: a run, the machine it happens on, its row, and a mistake of the user.

In: nothing. Out: dataclasses. Touches: nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

SCHEMA = 2  # of a row; raise it when a reader of old rows would misread new ones

AUTO = "auto"  # the value of a setting that the machine decides

WORDS = ("task", "model", "normalization", "activation", "initializer", "dataset", "optimizer", "schedule")

OK, DIVERGED, FAILED, PREEMPTED = "ok", "diverged", "failed", "preempted"
Failure = Literal["error", "out_of_memory", "timeout", "killed"]  # the classes of FAILED
FAILURES: tuple[Failure, ...] = get_args(Failure)
FINAL = (OK, DIVERGED, FAILED)  # a run with one of these is done; a preempted one goes on


class UserError(Exception):
    """A mistake in a command or in the data. Its text names the way out; the exit code is 2."""


class Unfit(UserError):
    """An initializer that does not fit the model of a run, for a `reason`; a sweep leaves such runs out.

    `sentence` is the text where it says more than the reason, such as the way out.
    """

    def __init__(self, reason: str, sentence: str = "") -> None:
        super().__init__(sentence or reason)
        self.reason = reason


@dataclass(frozen=True)
class Run:
    """One fully specified choice of everything, seed included.

    `choices` is flat: a word maps to the name of an option ("initializer": "he_normal"), a dotted key to an argument
    ("initializer.scale": 2.0), any other key to an argument of the task or the seed ("epochs": 6). `functions` maps a
    word to the registered function behind it, as conf/ names it. It says how a choice is carried out, so it is not part
    of the id.
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
        """The arguments chosen for `word`, by their bare names. The keys of a task's arguments have no prefix."""
        if word == "task":
            return {key: value for key, value in self.choices.items() if "." not in key and key not in (*WORDS, "seed")}
        prefix = f"{word}."
        return {key[len(prefix) :]: value for key, value in self.choices.items() if key.startswith(prefix)}


@dataclass(frozen=True)
class Interval:
    """The time between two checkpoints, in seconds or in epochs. With neither, a run leaves one only when stopped."""

    seconds: float | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class Checkpointing:
    """Where the checkpoints of runs are kept, and how far apart they are."""

    results: Path  # the folder of all studies
    interval: Interval


@dataclass(frozen=True)
class Machine:
    """Where a run happens. Nothing in here may change what is measured of it but its speed."""

    device: str  # "cpu" or "cuda"
    threads: int  # of torch, per process
    data: Path  # the folder of the datasets
    download: bool  # whether a missing dataset may be fetched
    checkpointing: Checkpointing | None = None  # None: no run leaves a checkpoint
    compiled: bool = False  # by torch.compile, which rounds differently
    graphed: bool = False  # on a GPU, each step is captured once and replayed


@dataclass
class Row:
    """The result of a run. `measures` are fractions (0..1), seconds, bytes; None where a number was not finite."""

    id: str
    study: str
    status: str
    choices: Mapping[str, Any]
    measures: dict[str, float | int | None] = field(default_factory=dict)
    curve: list[dict[str, float | int | None]] = field(default_factory=list)  # one entry per epoch, or per layer
    environment: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None  # of a failed run: class, cause, traceback, attempts, node, device
    schema: int = SCHEMA
    correct: str | None = None  # which images of a test set that all seeds share, as bench.rows.correctness packs it
