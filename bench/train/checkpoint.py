"""Checkpoints of a run: when one is due, and how a training resumes from the newest that fits.

In: a run, a machine, a training. Out: the training, resumed. Touches: results/ through rows.
"""

import io
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from bench.rows.store import Store
from bench.schema import Interval, Machine, Run, UserError


class Training(Protocol):
    """A training that can be stopped between two steps and resumed."""

    @property
    def steps(self) -> int:
        """The number of steps done."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step and the row depend on, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""


AnyTraining = TypeVar("AnyTraining", bound=Training)


class Keeper:
    """The checkpoints of one run on one machine.

    `made_with` decides how a run is rounded: code, data, threads, kind of device. A run is rounded one way from its
    first step to its last, so a checkpoint made with anything else stays where it is, with a remark.
    """

    def __init__(self, run: Run, machine: Machine, made_with: Mapping[str, Any], epoch_steps: int) -> None:
        self.run, self.made_with, self.epoch_steps = run, made_with, epoch_steps
        where = machine.checkpointing
        self.interval = where.interval if where else Interval()
        self.files = Store(where.results, run.study).checkpoints(run.id) if where else None
        self.saved = time.monotonic()

    def resume(self, training: AnyTraining, begin: Callable[[], AnyTraining]) -> AnyTraining:
        """The training, resumed from the newest checkpoint that is whole and fits; from its beginning where none does.

        `begin` makes the same training once more, in case a checkpoint that does not fit has half changed this one.
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
            except Exception as misfit:  # a bad file must cost no more than the steps it would have saved
                reason, *_ = str(misfit).partition("\n")
                self.say(f"{path} is moved aside, and not gone on from: {reason}")
                self.files.move_aside(path)
                training = begin()
        return training

    def due(self, steps: int) -> bool:
        """Whether a checkpoint is due after this many steps, or by the time since the last one."""
        if self.interval.epochs:
            return steps % (self.interval.epochs * self.epoch_steps) == 0
        return self.interval.seconds is not None and time.monotonic() - self.saved >= self.interval.seconds

    def save(self, training: Training) -> None:
        """Save a checkpoint. Where the disk refuses, print a remark; nothing but the checkpoint is lost."""
        if self.files:
            try:
                self.files.save(saved(training.state_dict()), training.steps, self.made_with)
            except UserError as refused:
                self.say(f"no checkpoint: {refused}")
            self.saved = time.monotonic()

    def say(self, remark: str) -> None:
        """Print a remark on standard error."""
        print(f"run {self.run.id}: {remark}", file=sys.stderr)


def saved(state: Mapping[str, Any]) -> bytes:
    """A state as bytes."""
    buffer = io.BytesIO()
    torch.save(tree_map_only(Tensor, owned, state), buffer)
    return buffer.getvalue()


def owned(tensor: Tensor) -> Tensor:
    """The tensor, as a copy if it is a part of a larger one: torch saves the whole of that, as of a pack's stack."""
    return tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor


def loaded(content: bytes) -> dict[str, Any]:
    """A state from bytes, on the CPU: tensors and plain values alone, since unpickling anything else could run code."""
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state
