"""What all models share: how they are registered, and a convolution that has a bias only where no norm follows.

In: channels and the run's normalization, or a net of a library. Out: modules. Touches: the net it is handed.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from bench.catalogue import options
from bench.parts.arguments import SUM
from bench.parts.normalization import OfWeights, StandardizedConvolution
from bench.registry import model
from bench.schema import Unfit

Shape = tuple[int, int, int]  # channels, height, width of one image
Activation = Callable[[], nn.Module]
Normalization = Callable[[int], nn.Module]


class Given(NamedTuple):
    """What a run gives every model, in the order of `registry.model`."""

    shape: Shape
    classes: int
    activation: Activation
    normalization: Normalization
    residual: str


def network(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Register `build(given, *, ...)` as a model. Returns what is registered, which takes what is given one by one."""

    @functools.wraps(build)
    def registered(*given: Any, **arguments: Any) -> nn.Module:
        return build(Given(*given), **arguments)

    return model(registered)


def convolution_and_norm(
    c_in: int, c_out: int, kernel: int, stride: int, normalization: Normalization, groups: int = 1
) -> tuple[nn.Conv2d, nn.Module]:
    """A convolution that keeps height and width (divided by its stride, rounded up), and what follows it.

    That is its normalization, or what a normalization of weights leaves to be done to the output.
    """
    norm = normalization(c_out)
    output = output_of(norm)
    convolution = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=is_none(output))
    if isinstance(norm, OfWeights):
        norm.standardize(convolution)
    return convolution, output


def output_of(norm: nn.Module) -> nn.Module:
    """What a normalization does to an output: all, or what one of weights leaves to be done."""
    return norm.output if isinstance(norm, OfWeights) else norm


def hand_over(net: nn.Module) -> None:
    """Hand a normalization of weights, where a net was built with one, to all of its convolutions."""
    places = [(parent, name, child) for parent in net.modules() for name, child in parent.named_children()]
    waiting = [(parent, name, child) for parent, name, child in places if isinstance(child, OfWeights)]
    for parent, name, child in waiting:
        setattr(parent, name, child.output)
    for convolution in (module for module in net.modules() if waiting and isinstance(module, nn.Conv2d)):
        if not isinstance(convolution, StandardizedConvolution):
            waiting[0][2].standardize(convolution)


def add_biases(net: nn.Module) -> None:
    """Give every convolution a bias: libraries leave biases to the normalization."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            module.bias = nn.Parameter(torch.zeros(module.out_channels))


def is_none(norm: nn.Module) -> bool:
    """Whether the normalization is the identity: its convolution then needs a bias, as nothing else shifts."""
    return isinstance(norm, nn.Identity)


def refuse_other_than_sum(residual: str, because: str) -> None:
    """Raises Unfit where an initializer needs a form of residual block that the model does not have."""
    if residual != SUM:
        raise unfit(residual, because)


def unfit(residual: str, because: str) -> Unfit:
    """The error for a form of residual block that a model does not have, with the models that have every form."""
    able = [name for name, option in options("model").items() if option["function"] == "resnet"]
    return Unfit(because, f"residual={residual} is not for this model: {because}; take model={', '.join(able)}")
