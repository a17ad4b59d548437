"""How the weights of a pack are updated: by one optimizer for all runs where that can be, else by one for each.

In: trainings and their engine. Out: new weights. Touches: the device.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from bench import registry
from bench.train.engine import Engine, stack
from bench.train.trainer import Trainer

OF_THE_RUN = ("params", "lr", "peak")  # what groups of parameters may differ in
STEP = "step"  # the state that torch's optimizers keep once per parameter, whatever its shape


class Update(Protocol):
    """Steps the weights by the gradients that the engine has left."""

    captured: bool  # whether a graph of it would be right: it reads nothing that the host changes

    def begin(self) -> None:
        """Prepare an epoch."""

    def step(self, at: Tensor) -> None:
        """Take the step at this place of the epoch, (1,), on the device."""

    def hand_back(self) -> None:
        """Bring the optimizer of each run up to date."""


def update_of(trainers: Sequence[Trainer], engine: Engine, graphed: bool) -> Update:
    """The update of a pack; of a run alone that is not captured, by its own optimizer."""
    return (
        Shared(trainers, engine, graphed)
        if (graphed or len(trainers) > 1) and alike(trainers)
        else Own(trainers, engine)
    )


def alike(trainers: Sequence[Trainer]) -> bool:
    """Whether one optimizer can stand for those of the runs: they differ in their learning rates alone."""
    first = trainers[0]
    return all(
        getattr(one.optimizer, "proportional", False)
        and type(one.optimizer) is type(first.optimizer)
        and options(one) == options(first)
        and len({parameter.dtype for parameter in one.model.parameters()}) == 1
        for one in trainers
    )


def options(trainer: Trainer) -> list[dict[str, Any]]:
    """The options of each group of parameters, which are named by their places in the model."""
    places = {parameter: place for place, parameter in enumerate(trainer.model.parameters())}
    return [
        {key: value for key, value in group.items() if key not in OF_THE_RUN}
        | {"places": [places[parameter] for parameter in group["params"]]}
        for group in trainer.optimizer.param_groups
    ]


class Own:
    """Each run steps its own optimizer, at learning rates that the host sets."""

    captured = False

    def __init__(self, trainers: Sequence[Trainer], engine: Engine) -> None:
        self.trainers, self.engine = trainers, engine

    def begin(self) -> None:
        """Nothing is to be prepared."""

    def step(self, at: Tensor) -> None:
        """Step run after run."""
        self.engine.hand_out()
        for trainer in self.trainers:
            trainer.update()

    def hand_back(self) -> None:
        """They are up to date."""


class Shared:
    """One optimizer over stacked weights, at a rate of 1: of its change, each run takes the share of its own rates.

    So the change has to be proportional to the rate. The rates of an epoch are a table on the device.
    """

    def __init__(self, trainers: Sequence[Trainer], engine: Engine, graphed: bool) -> None:
        self.trainers, first, self.captured = trainers, trainers[0], graphed
        self.optimizer = stacked_optimizer(trainers, engine) if len(trainers) > 1 else first.optimizer
        self.groups = self.optimizer.param_groups
        for group in self.groups:
            group["lr"] = 1.0
            if "capturable" in group:  # its count of steps is to be on the device
                group["capturable"] = graphed
        self.weights = [weight.detach() for group in self.groups for weight in group["params"]]
        self.before = [torch.empty_like(weight) for weight in self.weights]
        self._gather()
        runs, one = len(trainers), self.weights[0]
        places = torch.arange(runs) * len(self.groups)
        self.places = torch.cat(  # of the rate of each number of the weights, in the order in which these lie in memory
            [
                (places + number).repeat_interleave(weight.numel() // runs)
                for number, group in enumerate(self.groups)
                for weight in group["params"]
            ]
        ).to(one.device)
        self.shares = torch.empty(len(self.places), dtype=one.dtype, device=one.device)
        parts = torch.split(self.shares, [weight.numel() for weight in self.weights])
        self.share_of = [part.as_strided(old.shape, old.stride()) for part, old in zip(parts, self.before, strict=True)]
        self.rates = torch.zeros(first.budget.epoch_steps, runs * len(self.groups), dtype=one.dtype, device=one.device)

    def begin(self) -> None:
        """Put the rates of this epoch on the device."""
        steps = self.trainers[0].epoch_range
        rates = [[rate for trainer in self.trainers for rate in trainer.rates(step)] for step in steps]
        fill(self.rates, torch.tensor(rates, dtype=self.rates.dtype))

    @torch.no_grad()
    def step(self, at: Tensor) -> None:
        """Step all runs."""
        torch.index_select(self.rates.index_select(0, at)[0], 0, self.places, out=self.shares)
        torch._foreach_copy_(self.before, self.weights)
        self.optimizer.step()
        torch._foreach_lerp_(self.before, self.weights, self.share_of)
        torch._foreach_copy_(self.weights, self.before)

    def hand_back(self) -> None:
        """Give each run its part of the optimizer's state, as views."""
        if len(self.trainers) == 1:  # it has its own optimizer here
            return
        for whole, owners in self._owned():
            if state := self.optimizer.state.get(whole):
                for place, (trainer, parameter) in enumerate(owners):
                    trainer.optimizer.state[parameter] = {key: part(key, one, place) for key, one in state.items()}

    def _gather(self) -> None:
        """Take over the states of runs that have taken steps before."""
        for whole, owners in self._owned():
            states = [trainer.optimizer.state.get(parameter, {}) for trainer, parameter in owners]
            counting = whole.device if self.captured else "cpu"
            if states[0]:
                self.optimizer.state[whole] = {
                    key: together([one[key] for one in states], key, counting) for key in states[0]
                }

    def _owned(self) -> Iterator[tuple[Tensor, list[tuple[Trainer, Tensor]]]]:
        """Each parameter of the optimizer, with the runs and what each has of it."""
        for number, group in enumerate(self.groups):
            owned = [trainer.optimizer.param_groups[number]["params"] for trainer in self.trainers]
            for whole, *parts in zip(group["params"], *owned, strict=True):
                yield whole, [*zip(self.trainers, parts, strict=True)]


def stacked_optimizer(trainers: Sequence[Trainer], engine: Engine) -> torch.optim.Optimizer:
    """The optimizer of the first run, made anew for the stacked parameters."""
    run, model = trainers[0].run, trainers[0].model
    made: torch.optim.Optimizer = registry.build(run, "optimizer")(model)
    stacks = dict(zip(model.parameters(), engine.parameters.values(), strict=True))
    for group in made.param_groups:
        group["params"] = [stacks[parameter] for parameter in group["params"]]
    return made


def together(values: Sequence[Any], key: str, counting: torch.device | str) -> Any:
    """The states of several runs as one. All have taken as many steps, which are counted on this device."""
    one = values[0]
    if not isinstance(one, Tensor):
        return one
    if key == STEP:
        return one.to(counting, copy=True)
    return stack(values) if len(values) > 1 else one


def part(key: str, value: Any, place: int) -> Any:
    """What one run has of a state. A run that goes on alone counts its steps by itself, on the host."""
    if not isinstance(value, Tensor):
        return value
    return value.to("cpu", copy=True) if key == STEP else value[place]


def fill(table: Tensor, rows: Tensor) -> None:
    """Copy rows from the host into the first of a table, without waiting for the device."""
    table[: len(rows)].copy_(rows.pin_memory() if table.is_cuda else rows, non_blocking=True)
