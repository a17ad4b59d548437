"""Where a model adds the output of a residual branch to its shortcut, as the graph of its forward pass shows.

In: a model. Out: names of modules. Touches: nothing; the forward pass is traced without a tensor.
"""

import functools
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from bench.parts.initializer.fans import Layer
from bench.parts.initializer.norms import is_norm

TRANSFORMERS = (
    *(nn.Transformer, nn.TransformerEncoder, nn.TransformerEncoderLayer),
    *(nn.TransformerDecoder, nn.TransformerDecoderLayer),
)
PLAIN = (bool, int, float, str, type(None))  # of a default
ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul", "mul_")


@dataclass(frozen=True)
class Join:
    """A sum of two tensors that were computed from one; each side has the names of its modules, in order.

    What computes the weights of a gate, such as squeeze-and-excitation, is left out: it is no step on the way to a sum.
    """

    block: str  # the innermost module whose forward pass adds them and holds all modules of both
    sides: tuple[list[str], list[str]]


class Tracer(fx.Tracer):
    """Follows calls without their hooks, into what torch.compile wraps and torch's transformers; changes no buffer."""

    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the inside of a module is left alone, as it has no layers to add."""
        if isinstance(m, TRANSFORMERS):
            return False
        return super().is_leaf_module(m, module_qualified_name) or not m._modules or is_norm(m)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """The result of a call, in symbols."""
        return super().call_module(m, _forward(getattr(m, "_orig_mod", m)), args, kwargs)


def _forward(module: nn.Module) -> Callable[..., Any]:
    """The forward pass; of torch's transformers without the masks, on whose values it depends."""
    without_masks = WITHOUT_MASKS.get(type(module).forward)
    return functools.partial(without_masks, module) if without_masks else module.forward


def _stack(module: Any, x: Any, *memory: Any) -> Any:
    for layer in module.layers:
        x = layer(x, *memory)
    return x if module.norm is None else module.norm(x)


WITHOUT_MASKS: dict[Any, Callable[..., Any]] = {
    nn.Transformer.forward: lambda module, src, tgt, *_, **masks: module.decoder(tgt, module.encoder(src)),
    nn.TransformerEncoder.forward: lambda module, src, *_, **masks: _stack(module, src),
    nn.TransformerDecoder.forward: lambda module, tgt, memory, *_, **masks: _stack(module, tgt, memory),
}


def _defaults(model: nn.Module) -> dict[str, Any]:
    """What a forward pass takes besides tensors: the defaults of its arguments, such as no mask."""
    arguments = inspect.signature(model.forward).parameters.values()
    return {one.name: one.default for one in arguments if isinstance(one.default, PLAIN)}


@contextmanager
def _step_by_step() -> Iterator[None]:
    """The layers of transformers as their steps: torch has a fused form of them, whose use depends on values."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def joins(model: nn.Module, name: str = "") -> Iterator[Join]:
    """The sums of a model, in the order of the forward pass; `name` is its name in a larger one.

    Where the forward pass cannot be traced, since it depends on values, its children are traced one by one.
    """
    try:
        with _step_by_step():
            graph = Tracer().trace(model, _defaults(model))
    except Exception:  # whatever a model's own code raises at tensors without a value
        for child, module in model.named_children():
            if module._modules:
                yield from joins(module, _joined(name, child))
        return
    before: dict[fx.Node, set[fx.Node]] = {}
    for node in graph.nodes:
        before[node] = {node}.union(*(before[one] for one in node.all_input_nodes))
    gates = set[fx.Node]().union(*(_gate(node, before) for node in graph.nodes))
    used = before[next(node for node in reversed(graph.nodes) if node.op == "output")]
    for node in graph.nodes:
        if node in used and node.target in ADDITIONS and len(node.all_input_nodes) == 2:
            one, other = (before[term] for term in node.all_input_nodes)
            common = one & other
            start = {part for part in common if part.op != "get_attr" and common.isdisjoint(part.users)}
            # what does not come from the start, such as the memory of cross-attention, is no step of a branch
            steps = {part for part in one ^ other if before[part] & start}
            if start and not any(user in used - steps - {node} for part in steps for user in part.users):
                sides = _called(model, graph, (steps & one) - gates), _called(model, graph, (steps & other) - gates)
                block = _block(node, [*sides[0], *sides[1]])
                first, second = ([_joined(name, part) for part in side] for side in sides)
                yield Join(_joined(name, block), (first, second))


def _gate(node: fx.Node, before: Mapping[fx.Node, set[fx.Node]]) -> set[fx.Node]:
    """The steps from a tensor to the weights that it is multiplied with; none for another product."""
    terms = node.all_input_nodes
    if node.target not in PRODUCTS or len(terms) != 2:
        return set()
    gated = next((term for term, weights in (terms, terms[::-1]) if term in before[weights]), None)
    return set() if gated is None else before[node] - before[gated] - {node}


def _called(model: nn.Module, graph: fx.Graph, side: set[fx.Node]) -> list[str]:
    """The modules that are called by these steps, and the layers whose weight they use, in order."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        owner = str(node.target).rpartition(".")[0]
        if node in side and node.op == "call_module":
            found[str(node.target)] = None
        elif node.op == "get_attr" and side & {*node.users} and isinstance(model.get_submodule(owner), Layer):
            found[owner] = None
    return [*found]


def _block(node: fx.Node, parts: list[str]) -> str:
    """The innermost module that computes a node and holds these parts; "" for the model itself."""
    stack: dict[str, Any] = node.meta.get("nn_module_stack", {})
    return ["", *(one for one in stack if all(part.startswith(f"{one}.") for part in parts))][-1]


def _joined(name: str, child: str) -> str:
    return ".".join(filter(None, (name, child)))
