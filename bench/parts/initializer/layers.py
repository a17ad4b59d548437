"""A law for one tensor, lifted over the layers of a model so that every parameter is filled.

In: a model and a CPU generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.registry import initializer
from bench.schema import UserError

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Law = Callable[..., None]

NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm}
STARTS = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "num_batches_tracked": 0}  # of a norm

laws: dict[str, Law] = {}  # every registered law of one weight tensor, by the name of its function


def law(function: Law) -> Law:
    """Register `function(weight, generator, *, ...)`, a law of one weight tensor, as an initializer.

    The initializer draws every convolution and linear weight from the law, in the order of registration, and restarts
    everything else. The function itself is returned as it was, for other laws to build on.
    """

    @functools.wraps(function)
    def lifted(model: nn.Module, generator: Generator, batch: Tensor | None, **arguments: Any) -> None:
        restart_others(model)
        for layer in layers(model):
            draw_weight(layer, functools.partial(function, **arguments), generator)

    initializer(lifted)
    laws[function.__name__] = function
    return function


def layers(model: nn.Module) -> Iterator[Layer]:
    """The convolutions and linear layers, in the order of registration, which is the order of drawing."""
    return (module for module in model.modules() if isinstance(module, Layer))


def layers_by_shape(model: nn.Module) -> dict[tuple[int, ...], list[Layer]]:
    """The layers that share a weight shape, in the order of registration."""
    shapes: dict[tuple[int, ...], list[Layer]] = {}
    for layer in layers(model):
        shapes.setdefault(tuple(layer.weight.shape), []).append(layer)
    return shapes


def fans(weight: Tensor) -> tuple[int, int]:
    """(n_in, n_out) = (c_in k², c_out k²) of a weight (c_out, c_in, k, k), or (c_out, c_in) with k = 1.

    The weight is that of one group, so n_out counts the group's outputs only; torch.nn.init counts those of all groups.
    """
    area = math.prod(weight.shape[2:])
    return weight.shape[1] * area, weight.shape[0] * area


def draw_weight(layer: Layer, function: Law, generator: Generator) -> None:
    """Fill the layer's weight by `function(weight, generator)`, one group at a time: groups are layers side by side."""
    draw(layer.weight, function, generator, parts=getattr(layer, "groups", 1))


def draw(parameter: Tensor, function: Law, generator: Generator, parts: int = 1) -> None:
    """Fill a parameter by `function(tensor, generator)`, called for each of its equal parts along the first axis.

    What is drawn is contiguous, float32 and on the CPU, so it depends on neither device, layout nor precision.
    """
    weight = parameter.detach()
    plain = weight.dtype == torch.float32 and weight.device.type == "cpu" and weight.is_contiguous()
    values = weight if plain else torch.empty(weight.shape, dtype=torch.float32, device="cpu")
    for part in values.chunk(parts) if parts > 1 else (values,):
        function(part, generator)
    if not plain:
        weight.copy_(values)


@torch.no_grad()
def restart_others(model: nn.Module) -> None:
    """Set the layers' biases to 0 and every other parameter and buffer to its start, without a draw.

    A normalization starts at weight 1, bias 0 and no statistics, a PReLU at its slope, a module of the user's own at
    what its `reset_parameters()` says. Raises UserError for one that has parameters and does not say it, or draws it.
    """
    for module in model.modules():
        if not isinstance(module, Layer):
            _restart(module)
        elif module.bias is not None:
            module.bias.zero_()


def _restart(module: nn.Module) -> None:
    held = {**module._parameters, **module._buffers}
    if not held:
        return  # a container or an activation
    if type(module) in NORMS and held.keys() <= STARTS.keys():
        for name, tensor in held.items():  # as their reset_parameters() does, in half the time
            if tensor is not None:
                tensor.fill_(STARTS[name])
        return
    kind, reset = type(module).__name__, getattr(module, "reset_parameters", None)
    if reset is None and any(True for _ in module.parameters(recurse=False)):
        raise UserError(f"no initializer knows the parameters of {kind}; give it a reset_parameters() without a draw")
    if reset is None:
        return  # constants such as a grid of coordinates
    state = torch.get_rng_state()
    reset()
    if not torch.equal(state, torch.get_rng_state()):
        torch.set_rng_state(state)
        raise UserError(f"{kind}.reset_parameters() draws its values; initializers draw those of Conv and Linear alone")
