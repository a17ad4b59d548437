"""The operations of a forward pass, those of modules and those that no module shows, such as a functional `+`.

In: a model, an input. Out: operations in their order, each with its measures. Touches: the model's caches of a call.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from bench.parts.initializer.norms import cancels_scale

LAYER, NORM, ACTIVATION, JOIN, OTHER = "layer", "norm", "activation", "join", "other"  # kinds of an operation
LAYERS = {f"conv{n}d" for n in (1, 2, 3)} | {f"conv_transpose{n}d" for n in (1, 2, 3)} | {"linear", "bilinear"}
PRODUCTS = {"matmul", "__matmul__", "addmm", "bmm", "einsum", "mm"}  # layers where a factor is a parameter
NORMS = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"}
ADDITIONS = {"add", "add_", "__add__", "__iadd__", "__radd__"}
ACTIVATIONS = {
    *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "selu", "selu_", "celu", "celu_"),
    *("gelu", "silu", "mish", "tanh", "tanh_", "sigmoid", "sigmoid_", "hardswish", "hardsigmoid", "hardtanh"),
    *(
        "hardtanh_",
        "softplus",
        "softsign",
        "tanhshrink",
        "softshrink",
        "hardshrink",
        "logsigmoid",
        "threshold",
        "clamp",
    ),
    *("erf", "sin", "cos", "relu_6", "clamp_", "clamp_min", "threshold_"),
}
STEP = 1e-3  # of a difference quotient, in units of the input's root mean square
FLAT = 1e-2  # a unit is saturated where the activation's slope is below this


@dataclass(eq=False)
class Operation:
    """One call of a function of torch on tensors that depend on the input.

    name: the module that called it, and the function where the module calls several. inputs: the operations, by their
    place, whose outputs it takes; -1 is the input of the model. weight: the name of the parameter that it applies.
    mean, second_moment: of all values of the output; correlation: the mean cosine between the outputs of two examples;
    rank: tr(G)² / tr(G²) of their Gram matrix, of at most the number of examples. dead: the share of units of an
    activation that do not vary over the batch; saturated: the share of values where its slope is below 0.01; clipped:
    that share where both ends are flat, twice that of the end with less.
    connections: of a unit of a convolution, the inputs that it has, padding aside, weighted by their squares.
    gradient: the mean square of the loss's derivative by the output, times the number of examples squared.
    """

    place: int
    name: str
    module: str
    function: str
    kind: str
    inputs: tuple[int, ...]
    weight: str | None
    shape: tuple[int, ...]
    mean: float
    second_moment: float
    correlation: float | None
    rank: float | None
    finite: bool
    dead: float | None = None
    saturated: float | None = None
    clipped: float | None = None
    connections: float | None = None
    gradient: float | None = None
    call: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)  # of an activation, for theory


class Recorder(TorchFunctionMode):
    """Records every call that depends on the input of a model, while the model is called within `recording`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.modules = {module: name for name, module in model.named_modules()}
        self.norms = {*filter(cancels_scale, self.modules)}
        self.parameters = {id(value): name for name, value in model.named_parameters()}
        self.stack: list[nn.Module] = []
        self.made: dict[int, tuple[Tensor, int]] = {}  # id of a tensor -> the tensor, kept alive, and who made it

    def begin(self, x: Tensor) -> None:
        """Mark the input of the model."""
        shape = tuple(x.shape)
        self.given = Operation(-1, "input", "", "input", OTHER, (), None, shape, **moments(x.detach()))
        self.made[id(x)] = (x, -1)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and record it where it makes floating-point tensors of what depends on the input."""
        kwargs = kwargs or {}
        tensors = [*_tensors((args, kwargs))]
        inputs = tuple(dict.fromkeys(self.made[id(one)][1] for one in tensors if id(one) in self.made))
        if not inputs or not self.stack:
            return func(*args, **kwargs)
        kind = self._kind(func.__name__, tensors, inputs)
        before = args[0].detach().clone() if kind == ACTIVATION and isinstance(args[0], Tensor) else None
        result = func(*args, **kwargs)
        outputs = [one for one in _tensors(result) if one.is_floating_point()]
        if outputs and func.__name__ != "__get__":
            self._record(func, kind, inputs, tensors, outputs, before, args, kwargs)
        return result

    def _kind(self, function: str, tensors: list[Tensor], inputs: tuple[int, ...]) -> str:
        module = self.stack[-1]
        if function in NORMS or module in self.norms:
            return NORM
        weights = [one for one in tensors if id(one) in self.parameters and one.dim() > 1]
        if function in LAYERS or (function in PRODUCTS and weights):
            return LAYER
        if function in ACTIVATIONS:
            return ACTIVATION
        return JOIN if function in ADDITIONS and len(inputs) > 1 else OTHER

    def _record(
        self,
        func: Any,
        kind: str,
        inputs: tuple[int, ...],
        tensors: list[Tensor],
        outputs: list[Tensor],
        before: Tensor | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        place, module = len(self.operations), self.modules.get(self.stack[-1], "")
        weights = [self.parameters[id(one)] for one in tensors if id(one) in self.parameters and one.dim() > 1]
        operation = Operation(
            place=place,
            name=module,
            module=module,
            function=func.__name__.strip("_"),
            kind=kind,
            inputs=inputs,
            weight=weights[0] if weights and kind == LAYER else None,
            shape=tuple(outputs[0].shape),
            **moments(outputs[0].detach()),
        )
        if before is not None and outputs[0].shape == before.shape:
            operation.call = _without_input(func, args[1:], kwargs)
            operation.dead = _constant(outputs[0].detach())
            operation.saturated, operation.clipped = _flat(operation.call, before)
        if kind == LAYER and func.__name__.startswith("conv") and args:
            operation.connections = _connections(func, args, kwargs)
        self.operations.append(operation)
        for output in outputs:
            self.made[id(output)] = (output, place)
        if outputs[0].requires_grad:
            outputs[0].register_hook(lambda gradient: _keep_gradient(operation, gradient))  # type: ignore[no-untyped-call]


def _without_input(func: Any, rest: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    """The call as a function of its input, which it does not keep: with it would stay all that was computed before."""
    kept = {key: value for key, value in kwargs.items() if key not in ("inplace", "input")}
    return lambda z: func(z, *rest, **kept)


def _keep_gradient(operation: Operation, gradient: Tensor) -> None:
    operation.gradient = float(gradient.double().square().mean()) * (len(gradient) if gradient.dim() else 1) ** 2


@contextmanager
def recording(model: nn.Module) -> Iterator[Recorder]:
    """A recorder that knows which module is being called; hooks are torch's global ones, so the model keeps its own."""
    recorder = Recorder(model)

    def enter(module: nn.Module, args: Any) -> None:
        if module in recorder.modules:
            recorder.stack.append(module)

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        if recorder.stack and recorder.stack[-1] is module:
            recorder.stack.pop()

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
    try:
        with recorder:
            yield recorder
    finally:
        for hook in hooks:
            hook.remove()
    _name(recorder.operations, {name for part, name in recorder.modules.items() if name and not part._modules})


def _name(operations: list[Operation], leaves: set[str]) -> None:
    """Name each operation by its module; one of a module that holds others with its function: `layer1.0: add`."""
    seen: dict[str, int] = {}
    for one in operations:
        bare = one.module if one.module in leaves else f"{one.module}: {one.function}".lstrip(": ")
        seen[bare] = seen.get(bare, 0) + 1
        one.name = bare if seen[bare] == 1 else f"{bare} #{seen[bare]}"


@torch.no_grad()
def moments(values: Tensor) -> dict[str, Any]:
    """The measures of an output (n, ...) of n examples."""
    examples = values.reshape(len(values), -1).float() if values.dim() > 1 else values.reshape(1, -1).float()
    finite = bool(examples.isfinite().all())
    found: dict[str, Any] = {
        "mean": float(examples.mean()),
        "second_moment": float(examples.square().mean()),
        "correlation": None,
        "rank": None,
        "finite": finite,
    }
    if finite and len(examples) > 1 and found["second_moment"] > 0:
        size = examples.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        cosines = ((examples / size) @ (examples / size).T).double()
        n = len(cosines)
        found["correlation"] = float((cosines.sum() - cosines.trace()) / (n * (n - 1)))
        found["rank"] = float(cosines.trace() ** 2 / cosines.square().sum())
    return found


def _constant(y: Tensor) -> float | None:
    """The share of units whose output is the same for the whole batch; None for a batch of one."""
    units = y.reshape(len(y), y.shape[1], -1) if y.dim() > 1 else y.reshape(-1, 1, 1)
    constant = (units.amax((0, 2)) == units.amin((0, 2))).float().mean()
    return float(constant) if len(units) > 1 else None


@torch.no_grad()
def _flat(call: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float]:
    """The share of values where the slope is near 0, and twice the share on that side of 0 where it is less."""
    step = STEP * float(x.square().mean().sqrt()) or STEP
    flat = (call(x + step) - call(x - step)).abs() / (2 * step) < FLAT
    below, above = (float((flat & side).float().mean()) for side in (x < 0, x > 0))
    return float(flat.float().mean()), 2 * min(below, above)


@torch.no_grad()
def _connections(func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float | None:
    """E[sum of the squares of a unit's inputs] / E[square of an input], by one output of ones for each group."""
    if len(args) < 2:
        return None
    x, weight, *rest = args
    groups = kwargs.get("groups", rest[5 if "transpose" in func.__name__ else 4] if len(rest) > 4 else 1)
    ones = torch.ones_like(weight[:, :1] if "transpose" in func.__name__ else weight[:groups])
    squares = x.detach().square()
    rest[:1] = [None] if rest else []
    total = func(squares, ones, *rest, **{key: value for key, value in kwargs.items() if key != "bias"})
    return float(total.mean() / squares.mean()) if bool(squares.any()) else None


def _tensors(nested: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dictionaries, in their order."""
    if isinstance(nested, Tensor):
        yield nested
    elif isinstance(nested, Mapping):
        for value in nested.values():
            yield from _tensors(value)
    elif isinstance(nested, (tuple, list)):
        for value in nested:
            yield from _tensors(value)
