"""A law for one tensor, applied to all layers of a model so that every parameter is filled.

In: a model and a CPU generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn

from bench.parts.initializer import streams
from bench.parts.initializer.fans import Convention, Layer, exact
from bench.parts.initializer.norms import refuse_standardized, restart, restarts
from bench.parts.initializer.resets import reset_of, settled
from bench.parts.initializer.streams import Draw
from bench.registry import initializer
from bench.schema import Unfit

Law = Callable[..., None]
AnyLaw = TypeVar("AnyLaw", bound=Law)

laws: dict[str, Law] = {}  # every registered law of one weight tensor, by the name of its function


@dataclass(frozen=True)
class Independent:
    """A law whose weights are independent of one another, so that any part of a tensor may be drawn separately."""

    draw_of: Callable[..., Draw]  # (weight, *, ...); uses the shape alone, for its fans
    fans: Convention = exact

    def __call__(self, weight: Tensor, generator: Generator, **arguments: Any) -> None:
        """Fill one weight tensor, as every law does."""
        streams.fill(weight, generator, self.draw_of(weight, **arguments))


def law(function: Law) -> Law:
    """Register `function(weight, generator, *, ...)`, a law of one weight tensor, as an initializer.

    The initializer draws every convolution and linear weight from the law and resets everything else. Returns the
    function itself, for other laws to use.
    """
    return _registered(function, function)


def independent(function: Callable[..., Draw]) -> Independent:
    """Register `function(weight, *, ...) -> Draw`, which draws any part of a weight, as a law: see `law`."""
    return _registered(function, Independent(function))


def counted(law: Independent, fans: Convention) -> None:
    """Register a law with the fans of a framework, as `keras_variance_scaling`, say."""

    @functools.wraps(law.draw_of)
    def framework(*args: Any, **arguments: Any) -> Any:
        return law.draw_of(*args, **arguments)

    framework.__name__ = framework.__qualname__ = f"{fans.__name__}_{law.draw_of.__name__}"
    _registered(framework, replace(law, fans=fans))


def _registered(function: Callable[..., Any], found: AnyLaw) -> AnyLaw:
    @functools.wraps(function)
    def lifted(model: nn.Module, generator: Generator, batch: Tensor | None, **arguments: Any) -> None:
        of_every_layer = bound(found, **arguments)
        draw_weights([(layer, of_every_layer) for layer in restart_others(model)], generator)

    initializer(lifted)
    laws[function.__name__] = found
    return found


def bound(law: Law, **arguments: Any) -> Law:
    """The law with these arguments; an `Independent` law stays one."""
    if isinstance(law, Independent):
        return replace(law, draw_of=functools.partial(law.draw_of, **arguments))
    return functools.partial(law, **arguments)


def layers(model: nn.Module) -> Iterator[Layer]:
    """The convolutions and linear layers, in the order of registration, which is the order of drawing."""
    return (module for module in modules(model) if isinstance(module, Layer))


def modules(model: nn.Module) -> Iterable[nn.Module]:
    """The same as model.modules(), in two thirds of its time, which matters for small models."""
    found: dict[nn.Module, None] = {}
    left: list[nn.Module | None] = [model]
    while left:
        module = left.pop()
        if module is not None and module not in found:
            found[module] = None
            left += reversed(module._modules.values())
    return found


def draw_weights(found: Iterable[tuple[Layer, Law]], generator: Generator) -> None:
    """Fill each layer's weight by its law, one group at a time: groups are layers side by side.

    The layers whose weights are independent come first, all together (see streams.py), then the others in order.
    Raises UserError for a layer that standardizes its weights, and a law whose weights are not independent.
    """
    draws: list[tuple[Tensor, Draw]] = []
    others: list[tuple[Tensor, Law, int]] = []
    for layer, law in found:
        if not layer.weight.numel():
            continue  # no input or no output
        if isinstance(law, Independent):
            draws.append((layer.weight, law.draw_of(law.fans(layer))))
        else:
            refuse_standardized([layer], name_of(law))
            others.append((layer.weight, law, getattr(layer, "groups", 1)))
    draw_together(draws, generator)
    for weight, law, groups in others:
        draw(weight, law, generator, parts=groups)


def name_of(law: Law) -> str:
    """The name of a law, for a sentence."""
    return str(getattr(getattr(law, "func", law), "__name__", law)).lstrip("_")


def draw(parameter: Tensor, function: Law, generator: Generator, parts: int = 1) -> None:
    """Fill a parameter by `function(tensor, generator)`, called for each of its equal parts along the first axis.

    Values are drawn in contiguous float32 on the CPU, so they depend on neither device, layout nor precision.
    """
    weight = parameter.detach()
    values = _plain(weight)
    for part in values.chunk(parts) if parts > 1 else (values,):
        function(part, generator)
    if values is not weight:
        weight.copy_(values)


def draw_together(draws: Iterable[tuple[Tensor, Draw]], generator: Generator) -> None:
    """Fill all parameters by their draws as one sequence of numbers, in contiguous float32 on the CPU as in `draw`."""
    weights = {parameter.data_ptr(): (parameter.detach(), draw) for parameter, draw in draws}  # tied ones are one
    values = [(_plain(weight), draw) for weight, draw in weights.values()]
    streams.together(values, generator)
    for (weight, _), (drawn, _) in zip(weights.values(), values, strict=True):
        if drawn is not weight:
            weight.copy_(drawn)


def _plain(weight: Tensor) -> Tensor:
    """The weight itself if it is contiguous, float32 and on the CPU, else an empty tensor of its shape that is."""
    plain = weight.dtype == torch.float32 and weight.is_cpu and weight.is_contiguous()
    return weight if plain else torch.empty(weight.shape, dtype=torch.float32, device="cpu")


@torch.no_grad()
def restart_others(model: nn.Module, drawing: list[nn.Module] | None = None) -> list[Layer]:
    """Set the layers' biases to 0 and every other parameter and buffer to its start, without a draw.

    A normalization starts at weight 1, bias 0 and no statistics, a PReLU at its slope, a module of the user's own by
    its `reset_parameters()`. Returns the layers, whose weights are unchanged, in the order of registration. Modules
    that draw random numbers join the list `drawing`. Raises Unfit for them where there is no list, and for a
    module with parameters that has no `reset_parameters()`.
    """
    found: list[Layer] = []
    for module in modules(model):
        if isinstance(module, Layer):
            found.append(module)
            if module.bias is not None:
                module.bias.zero_()
        elif module._parameters or module._buffers:
            _restart(module, drawing)
    return found


def _restart(module: nn.Module, drawing: list[nn.Module] | None) -> None:
    if restarts(module):
        restart(module)
    else:
        _restart_by_reset(module, drawing)
    if (start := getattr(module, "weight_start", None)) is not None:  # model.zero_init_residual
        nn.init.constant_(module.get_parameter("weight"), start)


def _restart_by_reset(module: nn.Module, drawing: list[nn.Module] | None) -> None:
    kind = type(module).__name__
    if reset_of(module) is None and any(True for _ in module.parameters(recurse=False)):
        sentence = f"no initializer knows the parameters of {kind}; give it a reset_parameters() without a draw"
        raise Unfit(f"no initializer knows the parameters of {kind}", sentence)
    if reset_of(module) is None or settled(module):
        return  # constants such as a grid of coordinates have no reset_parameters()
    if drawing is None:
        raise Unfit(f"{kind}.reset_parameters() draws its values; initializers draw those of Conv and Linear alone")
    drawing.append(module)
