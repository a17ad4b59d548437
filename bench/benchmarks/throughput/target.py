"""The target of a measurement: one weight tensor, or the layers of a model.

In: a shape or a model's name. Out: a Target. Touches: the device, and torch's global generator, as torch's layers do.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from bench import catalogue, registry
from bench.parts.initializer.layers import layers
from bench.schema import Run, UserError

IMAGE, CLASSES = (3, 32, 32), 10


@dataclass(frozen=True)
class Target:
    """The weights of one name; `model` is None where they are a tensor that belongs to none."""

    name: str
    weights: tuple[Tensor, ...]
    model: nn.Module | None = None

    @cached_property
    def elements(self) -> int:
        """The number of weights that a law draws; biases and norms are constants and do not count."""
        return sum(weight.numel() for weight in self.weights)

    @cached_property
    def flat(self) -> Tensor:
        """One tensor of as many numbers, for the limits."""
        return torch.zeros(self.elements, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weights[0].device


def tensor(name: str, device: str) -> Target:
    """One float32 weight of the shape in its name, such as 16x16x3x3, outputs first.

    Raises UserError for another name, or fewer than two axes.
    """
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)+", name):
        raise UserError(f"{name!r} is no shape; write its axes, outputs first, such as 64x64x3x3 or 2048x2048")
    return Target(name, (torch.zeros([int(axis) for axis in name.split("x")], device=device),))


def network(name: str, device: str) -> Target:
    """A model of conf/model for CIFAR images, with ReLU and batch norm.

    Raises UserError for another name.
    """
    options = catalogue.options("model")
    registry.refuse_unknown("model", name, options)
    arguments = {f"model.{key}": value for key, value in catalogue.arguments(options[name]).items()}
    run = Run("throughput", {"model": name, **arguments}, {"model": options[name]["function"]})
    built: nn.Module = registry.build(run, "model")(IMAGE, CLASSES, nn.ReLU, nn.BatchNorm2d, "sum").to(device)
    return Target(name, tuple(layer.weight.detach() for layer in layers(built)), built)
