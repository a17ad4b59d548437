"""Checkpoints of a run: when one is due, and how a training goes on from the newest that fits.

In: a run, a machine, a training. Out: the training, taken up again. Touches: results/ through rows.
"""

import io
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import torch

from bench.rows.store import Store
from bench.schema import Checkpointing, Machine, Run, UserError
from bench.train import stop

SECONDS = {"s": 1, "min": 60, "h": 3600}
FORM = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h)|(\d+) ?epochs?")


class Training(Protocol):
    """What can be laid down between two steps and taken up again."""

    @property
    def steps(self) -> int:
        """How many are done."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step and the row depend on, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""


AnyTraining = TypeVar("AnyTraining", bound=Training)


def checkpointing(settings: Mapping[str, Any]) -> Checkpointing:
    """The settings about checkpoints: `checkpoint.every` is 10min, 90s, 2h, 5epochs, or null.

    Raises UserError for anything else.
    """
    every = settings["checkpoint"]["every"]
    if every is None:
        return Checkpointing(settings["results"], None, None)
    found = FORM.fullmatch(str(every))
    if not found or float(found[1] or found[3]) == 0:
        raise UserError(
            f"checkpoint.every={every} is no distance; write minutes (10min, also s and h) or epochs (5epochs), "
            "or null for a checkpoint only when a run is asked to stop"
        )
    if found[3]:
        return Checkpointing(settings["results"], None, int(found[3]))
    return Checkpointing(settings["results"], float(found[1]) * SECONDS[found[2]], None)


class Keeper:
    """The checkpoints of one run on one machine.

    `made_with` is what decides how a run is rounded: code, data, threads, kind of device. A checkpoint of another sort
    is left where it is and said, for a run is rounded one way from its first step to its last, whatever that costs.
    """

    def __init__(self, run: Run, machine: Machine, made_with: Mapping[str, Any], epoch_steps: int) -> None:
        self.run, self.asked, self.made_with, self.epoch_steps = run, machine.checkpointing, made_with, epoch_steps
        self.files = Store(self.asked.results, run.study).checkpoints(run.id) if self.asked else None
        self.saved = time.monotonic()

    def resume(self, training: AnyTraining, begin: Callable[[], AnyTraining]) -> AnyTraining:
        """The training taken up from the newest checkpoint that is whole and fits; from its beginning where none does.

        `begin` makes the same training once more, for where a checkpoint that does not fit has half changed this one.
        """
        if not self.files:
            return training
        for path, differences in self.files.others(self.made_with).items():
            self.say(f"{path} is not gone on from: {', '.join(differences)}")
        for path in self.files.newest_first(self.made_with):
            try:
                training.load_state_dict(loaded(self.files.read(path)))
                return training
            except (MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as misfit:  # whatever is in a file, it costs no more than the steps it would have saved
                reason, *_ = str(misfit).partition("\n")
                self.say(f"{path} is moved aside, and not gone on from: {reason}")
                self.files.move_aside(path)
                training = begin()
        return training

    def interrupts(self, training: Training) -> bool:
        """Whether the training ends here because somebody wishes so; a checkpoint is left then, and when one is due."""
        wished = stop.wished()
        if wished or self.due(training.steps):
            self.save(training)
        return wished

    def due(self, steps: int) -> bool:
        """Whether a checkpoint is asked for after so many steps, or after the time since the last one."""
        if not self.asked:
            return False
        if self.asked.epochs:
            return steps % (self.asked.epochs * self.epoch_steps) == 0
        return self.asked.seconds is not None and time.monotonic() - self.saved >= self.asked.seconds

    def save(self, training: Training) -> None:
        """Leave a checkpoint; where the disk refuses, it is said, and nothing but the checkpoint is lost."""
        if self.files:
            try:
                self.files.save(saved(training.state_dict()), training.steps, self.made_with)
            except UserError as refused:
                self.say(f"no checkpoint: {refused}")
            self.saved = time.monotonic()

    def say(self, remark: str) -> None:
        """A remark, to whoever watches."""
        print(f"run {self.run.id}: {remark}", file=sys.stderr)


def saved(state: Mapping[str, Any]) -> bytes:
    """A state as bytes."""
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def loaded(content: bytes) -> dict[str, Any]:
    """A state from bytes, on the CPU: tensors and plain values alone, since unpickling anything else could run code."""
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state
