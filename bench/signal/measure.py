"""A network measured at initialization: its signal forward, its gradient backward, and the step that it can bear.

In: a model, a batch. Out: a Measurement. Touches: nothing of the caller's.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.ambient import neutral, seeded
from bench.parts.initializer.fans import Layer, fans
from bench.parts.seeds import generator
from bench.schema import UserError
from bench.signal.operations import LAYER, NORM, Operation, recording

DIRECTIONS = 10  # outputs, or random directions of them, in which the Jacobian is multiplied
POWERS = 2  # products with the Hessian for its largest eigenvalue, from the gradient on
CHANGE = 1e-2  # of the loss, as the gradient predicts it, over the step of a difference of gradients


@dataclass(frozen=True)
class Weight:
    """A weight and its gradient. std is the root mean square of its values, n_in its fan, gain std sqrt(n_in).

    gradient: the norm of the loss's derivative by it. update: the learning rate times that, by the weight's own norm.
    """

    name: str
    shape: tuple[int, ...]
    n_in: int
    std: float
    mean: float
    bias_std: float | None
    gradient: float
    update: float | None
    is_constant: bool  # whether all units, or all values, have the same weights

    @property
    def gain(self) -> float:
        """The factor that the layer puts on the root mean square of its input, whose values are independent."""
        return self.std * math.sqrt(self.n_in)


@dataclass(frozen=True, eq=False)
class Measurement:
    """A model at initialization on one batch.

    given: its input, in the form of an operation.
    loss: the cross-entropy, None where the output is not (examples, classes); the gradients are then those of a random
    projection of the output. jacobian: the least and the greatest singular value of the derivative of at most ten
    outputs, or random directions of them, by one input. curvature: g'Hg / g'g of the loss along its gradient;
    sharpness: the greatest eigenvalue of its Hessian that three products find. Both None without a loss.
    tangent_kernel: the mean square norm of the derivative of an output by all parameters, once the output's mean over
    the batch is taken away (the neural tangent kernel's diagonal, Jacot et al. 2018). A step of gradient descent on an
    example moves its output by the learning rate times this, of its way to the target. None for one example.
    """

    given: Operation
    operations: tuple[Operation, ...]
    weights: dict[str, Weight]
    unused: tuple[str, ...]  # parameters without a gradient
    examples: int
    classes: int | None
    loss: float | None
    jacobian: tuple[float, float] | None
    curvature: float | None
    sharpness: float | None
    tangent_kernel: float | None
    learning_rate: float
    remarks: tuple[str, ...] = field(default=())

    @property
    def largest_stable_rate(self) -> float | None:
        """2 / sharpness: above it, gradient descent on this batch overshoots; None where the loss is concave there."""
        return 2 / self.sharpness if self.sharpness and self.sharpness > 0 else None


@neutral()
def measure(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    learning_rate: float = 0.1,
    seed: int = 0,
    *,
    whole: bool = True,
) -> Measurement:
    """Measure a model on a batch (n, ...) in training mode without dropout, as its first step would see it.

    labels (n,): drawn from the seed where the output is (n, classes) and there are none. whole: False leaves out what
    no problem depends on and most of the time goes to: the Jacobian and, under norms, the curvature. The model, its
    statistics, its hooks and all generators are as before. Raises UserError for a model or a batch that cannot be
    measured.
    """
    net, remarks = copied(model)
    x = _input(images).to(next(iter(net.parameters())).device)
    with called("the forward pass", x, seed), recording(net) as recorder:
        recorder.begin(x)
        output = net(x)
    operations = tuple(recorder.operations)
    output, several = tensor_of(output)
    stream = generator(seed, "probe")
    labels, loss_of = _loss(output, labels, stream)
    parameters = {name: value for name, value in net.named_parameters() if value.requires_grad}
    if not output.requires_grad:
        raise UserError("no output of this model depends on a parameter that learns; nothing can be diagnosed")
    with called("the backward pass", x, seed):
        tangent_kernel = _tangent_kernel(output, [*parameters.values()], stream)
        jacobian = None
        if whole and x.is_floating_point() and output.isfinite().all():
            jacobian = _jacobian(output, x, stream)
        loss = loss_of(output)
        gradients = torch.autograd.grad(loss, [*parameters.values()], allow_unused=True)
        found = {name: one for name, one in zip(parameters, gradients, strict=True) if one is not None}
        curvature = None
        if labels is not None and bool(loss.isfinite()) and (whole or all(one.kind != NORM for one in operations)):
            curvature = _curvature(parameters, found, lambda: loss_of(tensor_of(net(x.detach()))[0]))
    unused = tuple(name for name in parameters if name not in found)
    return Measurement(
        given=recorder.given,
        operations=operations,
        weights=_weights(net, found, operations, learning_rate),
        unused=unused,
        examples=len(images),
        classes=output.shape[1] if labels is not None else None,
        loss=loss.item() if labels is not None else None,
        jacobian=jacobian,
        curvature=curvature[0] if curvature else None,
        sharpness=curvature[1] if curvature else None,
        tangent_kernel=tangent_kernel,
        learning_rate=learning_rate,
        remarks=(*remarks, *several, *_remarks(unused, len(x))),
    )


def _input(images: Tensor) -> Tensor:
    """The batch as a leaf of the graph, in float32 or in integers. Raises UserError where it shows nothing."""
    if images.is_complex():
        raise UserError("the inputs are complex; only real numbers and integers can be measured")
    x = images.detach().clone()
    if x.is_floating_point():
        x = x.float()
        if not x.isfinite().all():
            raise UserError("the inputs hold values that are not finite; look at the data")
    if len(x) > 1 and bool((x == x[:1]).all()):
        raise UserError("all examples of the batch are the same; hand over examples that differ")
    return x.requires_grad_(x.is_floating_point())


def _remarks(unused: tuple[str, ...], examples: int) -> Iterator[str]:
    if unused:
        yield f"parameters that the measured output does not depend on: {', '.join(unused[:3])} ({len(unused)} in all)"
    if examples == 1:
        yield "one example shows neither correlation nor units that are the same for all inputs; hand over 16 or more"


def copied(model: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """A copy of the model that learns in float32, in training mode, without dropout and without the caller's hooks.

    With remarks on what the copy does that the model does not. Raises UserError for a model that cannot be copied.
    """
    original: nn.Module = getattr(model, "_orig_mod", model)  # torch.compile wraps it
    parameters, name = [*original.parameters()], type(original).__name__
    if not parameters:
        raise UserError(f"{name} has no parameters; nothing can be diagnosed")
    if any(isinstance(value, nn.UninitializedParameter) for value in parameters):
        raise UserError(f"{name} has lazy parameters, which have no values yet; call it once on a batch first")
    if any(value.is_meta for value in parameters):
        raise UserError("the model is on the meta device and has no weights yet; initialize it first")
    if isinstance(original, torch.jit.ScriptModule):
        raise UserError(f"{name} is a script of TorchScript, whose operations are hidden; hand over the module itself")
    try:
        net = copy.deepcopy(original).float()
    except Exception as refused:
        raise UserError(f"{name} cannot be copied, so it cannot be measured: {refused}") from refused
    for part in [*net.modules()]:
        for child, inner in part.named_children():
            setattr(part, child, getattr(inner, "_orig_mod", inner))
        part.training = not isinstance(part, nn.modules.dropout._DropoutNd)
        for hooks in (part._forward_hooks, part._backward_hooks, part._backward_pre_hooks):
            hooks.clear()  # the caller's may count, print or store; forward pre-hooks compute weights
    dtypes = {str(one.dtype) for one in parameters if one.dtype != torch.float32}
    frozen = sum(not one.requires_grad for one in parameters)
    remarks = [f"measured in float32; the model has parameters in {', '.join(sorted(dtypes))}"] if dtypes else []
    remarks += [f"{frozen} of {len(parameters)} parameters are frozen; measured as if they learned"] if frozen else []
    return net.requires_grad_(), tuple(remarks)


@contextmanager
def called(what: str, x: Tensor, seed: int) -> Iterator[None]:
    """For calls of a model: generators seeded within and as before afterwards; UserError for whatever its code raises.

    What torch.compile wraps runs as it was written.
    """
    try:
        gpus = [*range(torch.cuda.device_count())]
        with torch.random.fork_rng(gpus), seeded(seed), torch.compiler.set_stance("force_eager"):
            yield
    except UserError:
        raise
    except Exception as error:
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"{what} of this model fails on {len(x)} inputs of shape {tuple(x.shape[1:])} and {x.dtype}: {cause}; for "
            "a model that takes more, hand over a module that calls it with one tensor"
        ) from error


def tensor_of(output: object) -> tuple[Tensor, tuple[str, ...]]:
    """The tensor that a model returns, or the first of several, with a remark. Raises UserError where there is none."""
    if isinstance(output, Tensor):
        return output, ()
    values = list(output.values()) if isinstance(output, dict) else output
    if isinstance(values, (tuple, list)):
        for value in values:
            if isinstance(value, Tensor) and value.is_floating_point():
                return value, (f"the model returns {len(values)} values; the first tensor is measured",)
    raise UserError(f"the model returns {type(output).__name__}, no tensor; hand over a part that returns one")


def _loss(
    output: Tensor, labels: Tensor | None, stream: torch.Generator
) -> tuple[Tensor | None, Callable[[Tensor], Tensor]]:
    """The labels, where the output has classes, and the loss: else a random projection of the output."""
    if output.dim() == 2 and output.shape[1] > 1:
        if labels is None:
            labels = torch.randint(output.shape[1], (len(output),), generator=stream)
        low, high = map(int, labels.aminmax())
        if labels.shape != output.shape[:1] or low < 0 or high >= output.shape[1]:
            raise UserError(
                f"labels of shape {tuple(labels.shape)} from {low} to {high} do not fit an output of {len(output)} "
                f"examples and {output.shape[1]} classes"
            )
        known = labels.to(output.device, torch.int64)
        return known, lambda out: F.cross_entropy(out.float(), known)
    direction = torch.randn(output.shape, generator=stream).to(output.device) / math.sqrt(output[0].numel())
    return None, lambda out: (out.float() * direction).sum() / len(out)


def _jacobian(output: Tensor, x: Tensor, stream: torch.Generator) -> tuple[float, float]:
    """The least and greatest singular value of the derivative of the outputs by one input, the mean over the batch.

    With more outputs than DIRECTIONS, of as many random orthonormal directions of them.
    """
    flat = output.flatten(1).float()
    count = min(DIRECTIONS, flat.shape[1])
    directions = torch.eye(count)
    if flat.shape[1] > count:
        directions = torch.linalg.qr(torch.randn(flat.shape[1], count, generator=stream))[0].T
    rows = [
        torch.autograd.grad((flat * one.to(flat.device)).sum(), x, retain_graph=True)[0].flatten(1)
        for one in directions
    ]
    values = torch.linalg.svdvals(torch.stack(rows, dim=1).double())  # (examples, count)
    return float(values[:, -1].mean()), float(values[:, 0].mean())


def _tangent_kernel(output: Tensor, parameters: list[Tensor], stream: torch.Generator) -> float | None:
    """The mean of the centered kernel's diagonal, as z'Kz for a random normal z (Hutchinson 1989)."""
    if len(output) < 2 or not output.isfinite().all():
        return None
    draw = torch.randn(output.shape, generator=stream).to(output.device)
    direction = draw - draw.mean(0)
    gradients = torch.autograd.grad(
        (output.float() * direction).sum(), parameters, retain_graph=True, allow_unused=True
    )
    squares = sum(float(one.double().square().sum()) for one in gradients if one is not None)
    return squares / (output.numel() - output[0].numel())


def _curvature(
    parameters: Mapping[str, Tensor], gradient: Mapping[str, Tensor], loss: Callable[[], Tensor]
) -> tuple[float, float] | None:
    """g'Hg / g'g along the gradient g, and the greatest eigenvalue of H that power iteration from there finds.

    Products with H are central differences of gradients, for which in-place operations and any activation will do.
    """
    values = [parameters[name] for name in gradient]
    start, direction = [one.detach().clone() for one in values], [*gradient.values()]
    length = _norm(direction)
    if not 0 < length < math.inf:
        return None

    def gradient_at(step: float) -> list[Tensor]:
        with torch.no_grad():
            for value, one, along in zip(values, start, direction, strict=True):
                value.copy_(one + step * along)
        found = torch.autograd.grad(loss(), values, allow_unused=True)
        return [torch.zeros_like(value) if one is None else one for one, value in zip(found, values, strict=True)]

    step, found = CHANGE / length, []
    for _ in range(POWERS):
        direction = [one / length for one in direction]
        ahead, behind = gradient_at(step), gradient_at(-step)
        product = [(one - two) / (2 * step) for one, two in zip(ahead, behind, strict=True)]
        found.append(sum(float((one * two).sum()) for one, two in zip(product, direction, strict=True)))
        direction, length = product, _norm(product)
        if not 0 < length < math.inf:
            break
    with torch.no_grad():
        for value, one in zip(values, start, strict=True):
            value.copy_(one)
    return found[0], max(found)


def _norm(tensors: list[Tensor]) -> float:
    return math.sqrt(sum(float(one.square().sum()) for one in tensors))


def _weights(
    net: nn.Module, gradients: dict[str, Tensor], operations: tuple[Operation, ...], learning_rate: float
) -> dict[str, Weight]:
    """The weights that the operations apply, by name, each once."""
    parameters = dict(net.named_parameters(remove_duplicate=False))
    found: dict[str, Weight] = {}
    for one in operations:
        if one.kind != LAYER or one.weight is None or one.weight in found:
            continue
        value, owner = parameters[one.weight].detach(), net.get_submodule(one.weight.rpartition(".")[0])
        gradient = gradients.get(one.weight)
        norm = 0.0 if gradient is None else float(gradient.norm())
        size, bias = float(value.norm()), getattr(owner, "bias", None)
        found[one.weight] = Weight(
            name=one.weight,
            shape=tuple(value.shape),
            n_in=_fan_in(owner, value),
            std=float(value.square().mean().sqrt()),
            mean=float(value.mean()),
            bias_std=float(bias.detach().square().mean().sqrt()) if isinstance(bias, Tensor) else None,
            gradient=norm,
            update=learning_rate * norm / size if size else None,
            is_constant=bool((value == value[:1]).all()),
        )
    return found


def _fan_in(owner: nn.Module, value: Tensor) -> int:
    if isinstance(owner, nn.modules.conv._ConvTransposeNd):
        return value[:, 0].numel() // owner.groups
    if isinstance(owner, Layer):
        return fans(value)[0]
    return value.shape[-1]
