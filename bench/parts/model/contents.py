"""Which activations and normalizations a model has, as its modules and the graph of its forward pass show.

In: a model. Out: their names, and the activations as functions. Touches: nothing; modules are copied before they are
called.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from bench.parts.ambient import neutral
from bench.parts.initializer.joins import Tracer
from bench.parts.initializer.norms import is_norm

OWN = "own"  # begins the label of what a model brings along
NONE, MORE = "none", "..."  # nothing was found; there may be more, where the forward pass cannot be traced

Function = Callable[[Tensor], Tensor]

LEARNED = nn.PReLU | nn.RReLU | nn.GLU  # activations that the probe does not find: with parameters, draws, pairs
NAMES = "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LogSigmoid Mish PReLU ReLU ReLU6 RReLU SELU SiLU"
NAMES += " Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink Threshold"
# names of functions and methods of torch -> of modules
ACTIVATIONS = {name.lower(): name for name in NAMES.split()} | {"leaky_relu": "LeakyReLU"}
NORMALIZATIONS = {
    "batch_norm": "BatchNorm",
    "group_norm": "GroupNorm",
    "instance_norm": "InstanceNorm",
    "layer_norm": "LayerNorm",
    "local_response_norm": "LocalResponseNorm",
    "rms_norm": "RMSNorm",
}


@dataclass(frozen=True)
class Contents:
    """What a forward pass calls, by the names of torch's modules, in order of first use; `whole` if all was seen.

    An activation has one function for each form in which it is called, by the text of the form.
    """

    activations: dict[str, dict[str, Function]]
    normalizations: tuple[str, ...]
    whole: bool

    def label(self, word: str) -> str:
        """The choice of `activation` or `normalization` in a row: `own: SiLU`, `own: none`."""
        names = [*(self.activations if word == "activation" else self.normalizations)]
        names = names or [NONE] * self.whole
        return f"{OWN}: {', '.join([*names, *[MORE] * (not self.whole)])}" if names else OWN


@neutral()
def contents(model: nn.Module) -> Contents:
    """The activations and normalizations that the forward pass of a model calls, or holds where it cannot be traced."""
    activations: dict[str, dict[str, Function]] = {}
    normalizations: dict[str, None] = {}
    whole = True
    for called, node in _calls(model):
        whole &= called is not None
        for part in called.modules() if isinstance(called, nn.Module) else [called]:
            if name := _activation(part):
                form = repr(part) if isinstance(part, nn.Module) or node is None else repr((node.args[1:], node.kwargs))
                activations.setdefault(name, {})[form] = _function(part, node)
            if name := _normalization(part):
                normalizations[name] = None
    return Contents(activations, tuple(normalizations), whole)


class _Tracer(Tracer):
    """Leaves activations and normalizations whole, those of the user's own too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the inside of a module is left alone."""
        return bool(super().is_leaf_module(m, module_qualified_name) or _activation(m) or _normalization(m))


def _calls(model: nn.Module) -> Iterator[tuple[Any, fx.Node | None]]:
    """Each module, function or method that is called, with its node; (None, None) for a pass that is not traced."""
    try:
        graph = _Tracer().trace(model)
    except Exception:  # whatever a model's own code raises at tensors without a value
        yield None, None
        for child in model.children():
            yield from _calls(child) if child._modules and not _activation(child) else [(child, None)]
        return
    for node in graph.nodes:
        if node.op == "call_module":
            yield model.get_submodule(str(node.target)), node
        elif node.op == "call_function":
            yield node.target, node
        elif node.op == "call_method":
            yield getattr(Tensor, str(node.target), None), node


def _activation(part: Any) -> str:
    """The name of an activation, "" of anything else."""
    if not isinstance(part, nn.Module):
        return ACTIVATIONS.get(getattr(part, "__name__", "").rstrip("_"), "") if callable(part) else ""
    return _name(part, "torch.nn.modules.activation") if isinstance(part, LEARNED) or _bends(part) else ""


def _normalization(part: Any) -> str:
    if not isinstance(part, nn.Module):
        return NORMALIZATIONS.get(getattr(part, "__name__", ""), "")
    own = "norm" in type(part).__name__.lower() and not part._modules
    return _name(part, "torch.nn.modules") if is_norm(part) or own else ""


def _name(module: nn.Module, home: str) -> str:
    """The name of the class of torch that a module's class is or extends, else its own."""
    kinds = type(module).__mro__
    return next(
        (kind.__name__ for kind in kinds if kind.__module__.startswith(home) and kind is not nn.Module), ""
    ) or (type(module).__name__)


def _function(part: Any, node: fx.Node | None) -> Function:
    """The activation as a function of one tensor, with the constants that the call has."""
    if isinstance(part, nn.Module) or node is None:
        function: Function = part
        return function
    return lambda z: part(z, *node.args[1:], **node.kwargs)


@torch.no_grad()
def _bends(module: nn.Module) -> bool:
    """Whether a module without parameters acts value by value, and not as a line does."""
    if any(True for _ in module.parameters()) or any(True for _ in module.buffers()):
        return False
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return False
    one = torch.linspace(-4, 4, 96).view(2, 3, 4, 4)
    other, changed = one.flip(0, 1, 2, 3) / 3 + 0.5, one.clone()
    changed[0, 0, 0, 0] += 1
    try:
        function = copy.deepcopy(module).eval()
        zero, first, second, both, moved = (
            function(values.clone()) for values in (one * 0, one, other, one + other, changed)
        )
        alone = torch.equal(moved.flatten()[1:], first.flatten()[1:]) and first.shape == one.shape
    except Exception:  # it takes other values than images
        return False
    return bool(alone and not torch.allclose(both - second, first - zero, atol=1e-5))
