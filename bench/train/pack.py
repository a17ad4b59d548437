"""A pack: trainings of one shape that take their steps together. A run alone is a pack of one.

All that a step reads and writes has its place on the device: the images, the order, the augmentation and the learning
rates of an epoch as tables, the losses, and a count of the steps done. So a step asks the host nothing and tells it
nothing, and can be captured as a graph. Each training keeps its own order, augmentation, optimizer, schedule,
evaluation and end.

In: trainings. Out: how each of them ended. Touches: the device, checkpoints through rows.
"""

import sys
import time
from collections.abc import Sequence

import torch
from torch import nn

from bench.parts.dataset.tensors import Split
from bench.schema import PREEMPTED
from bench.train import stop, under_way
from bench.train.capture import Captured, Step
from bench.train.engine import Build
from bench.train.trainer import Trainer
from bench.train.update import fill, update_of


def train(trainers: Sequence[Trainer], build: Build, graphed: bool = False) -> list[str]:
    """Train each run to its end, those side by side that have done as many steps; the status of each."""
    ended: dict[int, str] = {}
    for one in trainers:
        while id(one) not in ended:
            left = [other for other in trainers if id(other) not in ended]
            ended |= until_one_ends([other for other in left if other.position == one.position], build, graphed)
    return [ended[id(one)] for one in trainers]


def until_one_ends(trainers: Sequence[Trainer], build: Build, graphed: bool) -> dict[int, str]:
    """Train until at least one of the runs has ended; the status of each that has, by its id in this process."""
    pack = Pack(trainers, build, graphed)
    step = pack.stepping(graphed)
    while True:
        pack.begin_epoch()
        for _ in range(trainers[0].left):
            pack.take(step)
            if pack.stopped():
                return {id(one): PREEMPTED for one in trainers}
        if ended := {id(one): status for one in trainers if (status := one.end_epoch())}:
            pack.update.hand_back()
            return ended


def endless(trainers: Sequence[Trainer], build: Build, graphed: bool) -> Step:
    """A step of these trainings, over their first epoch again and again; to be timed."""
    pack, first = Pack(trainers, build, graphed), trainers[0]
    step, epoch = pack.stepping(graphed), first.left

    def one() -> None:
        if first.steps % epoch == 0:
            for trainer in trainers:
                trainer.steps = 0
            pack.begin_epoch()
        pack.take(step)

    return one


class Pack:
    """R trainings at one position, with all that their steps need on the device."""

    def __init__(self, trainers: Sequence[Trainer], build: Build, graphed: bool = False) -> None:
        self.trainers, first = trainers, trainers[0]
        device, self.epoch_steps = first.machine.device, first.budget.epoch_steps
        self.shape = len(trainers), first.budget.batch_size
        width = len(trainers) * first.budget.batch_size
        (self.images, self.labels), self.offsets = joined([one.data.train for one in trainers])
        self.order = torch.zeros(self.epoch_steps, width, dtype=torch.int64, device=device)
        self.moves = torch.zeros(self.epoch_steps, 3, width, dtype=torch.int64, device=device)
        self.done = torch.zeros(1, dtype=torch.int64, device=device)
        self.losses = torch.stack([one.losses for one in trainers])
        for one, losses in zip(trainers, self.losses, strict=True):
            one.losses = losses
        self.engine = build([one.model for one in trainers])
        self.update = update_of(trainers, self.engine, graphed)

    def begin_epoch(self) -> None:
        """Put the tables of this epoch on the device."""
        started = time.perf_counter()
        drawn = [one.tables() for one in self.trainers]
        fill(self.order, torch.cat([order + first for (order, _), first in zip(drawn, self.offsets, strict=True)], 1))
        fill(self.moves, torch.cat([moves for _, moves in drawn], 2))
        self.update.begin()
        self.done.fill_(self.trainers[0].steps)
        self._count(started)

    def step(self) -> None:
        """One step of each run. It only reads and writes tensors that stay where they are, so it may be captured."""
        at = self.done % self.epoch_steps
        chosen = self.order.index_select(0, at)[0]
        images = self.trainers[0].data.augment(self.images[chosen], self.moves.index_select(0, at)[0])
        losses = self.engine.losses(images.view(*self.shape, *images.shape[1:]), self.labels[chosen].view(self.shape))
        if not self.trainers[0].steps:
            self._note_gradients()
        self.update.step(at)
        self.losses.index_copy_(1, self.done, losses[:, None])
        self.done += 1

    def stepping(self, graphed: bool) -> Step:
        """The step, captured where that is asked for and can be."""
        if graphed and not self.update.captured:
            print("graph: steps are launched as they are, since no one optimizer can step its runs", file=sys.stderr)
        return Captured(self.step) if graphed and self.update.captured else self.step

    def take(self, step: Step) -> None:
        """Take a step, and count it. Nothing here waits for the device."""
        started = time.perf_counter()
        step()
        for one in self.trainers:
            one.steps += 1
            one.graphed = getattr(step, "graphed", False)
            under_way.reached(one.run.id, one.steps / one.budget.steps)
        self._count(started)

    def stopped(self) -> bool:
        """Whether the process has to stop. Saves a checkpoint of each run then, and of those for which one is due."""
        stopping = stop.requested()
        saving = [one for one in self.trainers if one.keeper and (stopping or one.keeper.due(one.steps))]
        if stopping or saving:
            self.update.hand_back()
        for one in saving:
            one.keeper.save(one)  # type: ignore[union-attr]
        return stopping

    def _count(self, started: float) -> None:
        seconds = time.perf_counter() - started
        for one in self.trainers:
            one.training_seconds += seconds

    def _note_gradients(self) -> None:
        """The norm of the first gradients of each run."""
        self.engine.hand_out()
        for one in self.trainers:
            gradients = [parameter.grad for parameter in one.model.parameters() if parameter.grad is not None]
            one.gradient_norm = nn.utils.get_total_norm(gradients)


def joined(splits: Sequence[Split]) -> tuple[Split, list[int]]:
    """One split that has the images of all, and where those of each begin; runs of one split share it."""
    if all(one.images is splits[0].images for one in splits):
        return splits[0], [0] * len(splits)
    ends = torch.tensor([len(one.labels) for one in splits]).cumsum(0).tolist()
    images, labels = (torch.cat(parts) for parts in zip(*splits, strict=True))
    return Split(images, labels), [0, *ends[:-1]]
