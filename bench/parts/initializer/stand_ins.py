"""Modules that initializers do not know, such as attention: their matrices become layers, so that every law fills them.

In: a module on copies. Out: layers whose weights are views of the copies. Touches: the copies.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils import parametrize

from bench.parts.initializer import streams
from bench.parts.initializer.copies import Slot, values
from bench.parts.initializer.fans import Layer, Origin
from bench.parts.initializer.norms import restarts
from bench.parts.initializer.resets import reset_by, reset_of, settled
from bench.registry import refuse_unknown
from bench.schema import UserError

OTHERS = ("error", "keep", "fill")
GATES = ("input", "forget", "cell", "output")  # of an LSTM, in the order of its rows
Own = dict[str, Slot]  # the parameters of one module, by its names for them
Matrices = dict[str, Sequence[Tensor]]  # one of those names -> its matrices (c_out, c_in, *kernel), as views


@dataclass
class StandIns:
    """The layers that stand in for parameters while an initializer fills the model, and which parameters are kept."""

    layers: dict[str, list[tuple[str, Layer]]] = field(default_factory=dict)  # parameter's name -> (own name, layer)
    kept: set[str] = field(default_factory=set)  # the names of parameters that stay as they are


def refuse_unfillable(module: nn.Module, recurse: bool) -> None:
    """Raise UserError for a part of the module whose weights are not its parameters: computed, quantized, scripted."""
    for part in module.modules() if recurse else [module]:
        kind, home = type(part).__name__, type(part).__module__
        if isinstance(part, torch.jit.ScriptModule):
            raise UserError(f"{kind} is a module of TorchScript; initialize before scripting or tracing it")
        if home.startswith("torch.ao.nn") and ".quantized" in home and not home.endswith("functional_modules"):
            raise UserError(f"{kind} has quantized weights; initialize before quantizing it")
        if names := _computed(part):
            raise UserError(
                f"{', '.join(names)} of {kind} is computed from other parameters; initialize before weight norm, "
                "another parametrization or pruning, or remove them first"
            )


def _computed(part: nn.Module) -> list[str]:
    """The weights that a parametrization, or a hook of torch.nn.utils, computes."""
    if isinstance(part, parametrize.ParametrizationList):
        return ["the weight"]
    hooks = [hook for hook in part._forward_pre_hooks.values() if _of_torch_utils(hook)]
    parametrized = [*part.parametrizations] if parametrize.is_parametrized(part) else []  # type: ignore[misc]
    return parametrized + [str(getattr(hook, "name", getattr(hook, "_tensor_name", "weight"))) for hook in hooks]


def _of_torch_utils(hook: object) -> bool:
    return any(kind.__module__.startswith("torch.nn.utils") for kind in type(hook).__mro__)


@contextmanager
def stand_ins(slots: Sequence[Slot], generator: Generator, others: str, by_reset: bool = False) -> Iterator[StandIns]:
    """The model with its stand-ins. Matrices are left to the initializer; every other parameter is filled here.

    Attention and recurrent layers are linear layers side by side, one per projection or gate, with biases 0; a
    transposed convolution is the convolution of the same connections, whatever its stride; a bilinear layer is linear
    in the products; an embedding, whose rows are looked up and not summed, is N(0, 1) as in torch.
    `others` says whether parameters of other modules are an error, kept, or filled. With `by_reset` the initializer
    calls each module's own reset, in the place of stand-ins. Raises UserError.
    """
    refuse_unknown("policy for others", str(others), OTHERS)
    owners = _by_owner(slots)
    without_rule = {owner: _unknown(owner, own, by_reset) for owner, own in owners.items()}
    if others == "error" and any(without_rule.values()):
        raise UserError(_unknown_sentence([slot.name for own in without_rule.values() for slot in own.values()]))
    found = StandIns()
    with ExitStack() as undo:
        for owner, own in owners.items():
            rule = None if by_reset else _rule(owner)
            matrices = _matrices(owner, own, rule, generator)
            if others == "fill":
                matrices |= _fill(without_rule[owner], found.kept)
            elif without_rule[owner]:
                found.kept |= _keep(owner, without_rule[owner], generator)
            if not isinstance(owner, Layer) and (rule or without_rule[owner]):
                undo.enter_context(_without_reset(owner))
            _refuse_other_numbers([own[key] for key in matrices], found.kept)
            for key, views in matrices.items():
                origin = Origin(owner, own[key].current)
                children = {f"{own[key].name}[{index}]": layer_of(view, origin) for index, view in enumerate(views)}
                undo.enter_context(_children(owner, key, list(children.values())))
                found.layers[own[key].name] = list(children.items())
        _refuse_other_numbers(slots, found.kept)
        yield found


def _refuse_other_numbers(slots: Sequence[Slot], kept: Collection[str]) -> None:
    for slot in slots:
        if not (slot.is_buffer or slot.original.is_floating_point() or slot.name in kept):
            raise UserError(f"{slot.name} is {slot.original.dtype}; weights are drawn in real, floating-point numbers")


@torch.no_grad()
def finish(slots: Sequence[Slot], forget_bias: float | None) -> None:
    """Set the padding of every embedding to 0, also where its weight is tied, and the forget gates' bias of LSTMs.

    torch adds two biases: the first gets the value, the second 0.
    """
    for slot in slots:
        if isinstance(slot.owner, nn.Embedding | nn.EmbeddingBag) and slot.owner.padding_idx is not None:
            slot.current[slot.owner.padding_idx] = 0
        elif forget_bias is not None and has_forget_gate(slot):
            slot.current.chunk(len(GATES))[GATES.index("forget")].fill_(forget_bias if "bias_ih" in slot.key else 0)


def has_forget_gate(slot: Slot) -> bool:
    """Whether this is a bias of an LSTM."""
    return is_lstm(slot.owner) and slot.key.startswith("bias")


def is_lstm(module: nn.Module) -> bool:
    """Whether the module is an LSTM, or one step of it, that has biases."""
    return isinstance(module, nn.LSTM | nn.LSTMCell) and bool(module.bias)


def layer_of(weight: Tensor, origin: Origin) -> Layer:
    """A layer without a bias whose weight is a view of this tensor: a convolution for (c_out, c_in, *kernel)."""
    kinds: dict[int, Any] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
    view = weight.detach() if weight.dim() in kinds else weight.detach().flatten(1)
    c_out, c_in, *kernel = view.shape
    layer: Layer = kinds.get(weight.dim(), nn.Linear)(c_in, c_out, *filter(None, [kernel]), bias=False, device="meta")
    layer.weight = nn.Parameter(view)
    layer.__dict__["origin"] = origin
    return layer


def _attention(module: Any) -> Matrices:
    if module.in_proj_weight is not None:
        return {"in_proj_weight": module.in_proj_weight.chunk(3)}
    return {key: [getattr(module, key)] for key in ("q_proj_weight", "k_proj_weight", "v_proj_weight")}


def _recurrent(module: Any) -> Matrices:
    weights = {key: weight for key, weight in module.named_parameters(recurse=False) if key.startswith("weight_")}
    return {key: weight.chunk(max(1, len(weight) // module.hidden_size)) for key, weight in weights.items()}


def _embedding(module: Any) -> Matrices:
    return {}


RULES: tuple[tuple[Callable[[Any], Matrices], tuple[type, ...]], ...] = (
    (_attention, (nn.MultiheadAttention,)),
    (_recurrent, (nn.RNNBase, nn.RNNCellBase)),
    (lambda of: {"weight": [group.transpose(0, 1) for group in of.weight.chunk(of.groups)]}, (_ConvTransposeNd,)),
    (lambda of: {"weight": [of.weight.flatten(1)]}, (nn.Bilinear,)),
    (_embedding, (nn.Embedding, nn.EmbeddingBag)),
)


def _rule(module: nn.Module) -> Callable[[Any], Matrices] | None:
    return next((rule for rule, kinds in RULES if isinstance(module, kinds)), None)


@torch.no_grad()
def _matrices(owner: Any, own: Own, rule: Callable[[Any], Matrices] | None, generator: Generator) -> Matrices:
    """The matrices of a module that has a rule; sets its biases to 0 and draws an embedding."""
    for key in [key for key in own if rule and "bias" in key]:
        own[key].current.zero_()
    if rule is _embedding:
        streams.normal(owner.weight, generator)
    return rule(owner) if rule else {}


def _unknown(owner: nn.Module, own: Own, by_reset: bool) -> Own:
    """The module's own parameters that neither an initializer nor a rule fills."""
    rule = _rule(owner)
    if isinstance(owner, Layer):
        if "weight" not in own:
            raise UserError(
                f"the weight of {type(owner).__name__} is computed from {', '.join(map(repr, own)) or 'others'}; "
                "initialize before pruning, parametrizing or sharding it"
            )
        return {key: slot for key, slot in own.items() if key not in ("weight", "bias")}
    if restarts(owner):
        return {}
    if by_reset:
        return {} if reset_of(owner) else own
    if rule:
        known = {"weight"} if rule is _embedding else set(rule(owner))
        return {key: slot for key, slot in own.items() if key not in known and "bias" not in key}
    return {} if settled(owner) else own


def _unknown_sentence(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return (
        f"no initializer knows {shown}; give the module a reset_parameters() without a draw, or set others='keep' "
        "(as they are) or others='fill' (matrices by the law, biases 0, other vectors as they are)"
    )


@torch.no_grad()
def _fill(own: Own, kept: set[str]) -> Matrices:
    """The matrices of a module without a rule; sets its biases to 0, and keeps its other vectors and their names.

    A vector has one axis at most that is longer than 1, as the scales (channels, 1, 1) of a ConvNeXt. On the meta
    device there is no value to keep, and it is 1.
    """
    vectors = {key: slot for key, slot in own.items() if sum(size > 1 for size in slot.original.shape) < 2}
    for key, slot in vectors.items():
        if any(word in key for word in ("bias", "beta")):
            slot.current.zero_()
        elif slot.original.is_meta:
            slot.current.fill_(1)
        else:
            slot.current.copy_(values(slot))
            kept.add(slot.name)
    return {key: [slot.current] for key, slot in own.items() if key not in vectors}


@torch.no_grad()
def _keep(owner: nn.Module, own: Own, generator: Generator) -> set[str]:
    """Copy the module's own values and return the names; values on the meta device come from its reset_parameters()."""
    if any(slot.original.is_meta for slot in own.values()):
        if reset_of(owner) is None:
            raise UserError(
                f"{next(iter(own.values())).name} is on the meta device: no value to keep; set others='fill'"
            )
        reset_by(owner, generator)
    for slot in own.values():
        if not slot.original.is_meta:
            slot.current.copy_(values(slot))
    return {slot.name for slot in own.values() if not slot.original.is_meta}


def _by_owner(slots: Sequence[Slot]) -> dict[nn.Module, Own]:
    owners: dict[nn.Module, Own] = {}
    for slot in slots:
        own = owners.setdefault(slot.owner, {})
        if not slot.is_buffer:
            own[slot.key] = slot
    return {owner: own for owner, own in owners.items() if own or isinstance(owner, Layer)}


@contextmanager
def _without_reset(owner: nn.Module) -> Iterator[None]:
    """The module with a reset_parameters() that does nothing."""
    before = owner.__dict__.get("reset_parameters")
    owner.__dict__["reset_parameters"] = lambda: None
    try:
        yield
    finally:
        del owner.__dict__["reset_parameters"]
        if before is not None:
            owner.__dict__["reset_parameters"] = before


@contextmanager
def _children(owner: nn.Module, key: str, layers: Sequence[Layer]) -> Iterator[None]:
    """The module with these layers among its children, under names such as weight[0]."""
    names = [f"{key}[{index}]" for index in range(len(layers))]
    owner._modules.update(zip(names, layers, strict=True))
    try:
        yield
    finally:
        for name in names:
            del owner._modules[name]
