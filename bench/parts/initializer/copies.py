"""Float32 copies on the CPU in the place of a module's own tensors, so that an error leaves the module unchanged.

In: a module. Out: copies of its tensors, and the way back. Touches: the module, whose values only `write_back` changes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bench.schema import UserError


@dataclass(frozen=True, eq=False)
class Slot:
    """An attribute of a module that holds a parameter or a buffer."""

    name: str  # qualified, as in named_parameters()
    owner: nn.Module
    key: str
    original: Tensor
    is_buffer: bool

    @property
    def current(self) -> Tensor:
        """The tensor that the attribute holds now: within `on_copies` the copy, or what a module replaced it with."""
        held = (self.owner._buffers if self.is_buffer else self.owner._parameters)[self.key]
        assert held is not None
        return held


@contextmanager
def on_copies(module: nn.Module, recurse: bool) -> Iterator[list[Slot]]:
    """The module on copies: parameters of NaN, so that one left unfilled is noticed, and buffers of the same values.

    A copy is float32, contiguous, on the CPU, and of the whole shape even where the module has a shard. Tied tensors
    stay tied. Without `recurse` the module has no children in this context.
    """
    slots, children = list(_slots_of(module, recurse)), module._modules
    copies: dict[object, Tensor] = {}
    for slot in slots:
        if _memory(slot) not in copies:
            copies[_memory(slot)] = _copy_of(slot)
    try:
        if not recurse:
            module._modules = {}
        for slot in slots:
            setattr(slot.owner, slot.key, copies[_memory(slot)])  # an nn.LSTM lists its weights, and sees this
        yield slots
    finally:
        module._modules = children
        for slot in slots:
            setattr(slot.owner, slot.key, slot.original)


def values(slot: Slot) -> Tensor:
    """The module's own values as such a copy; NaN or 0 on the meta device, where there are no values."""
    tensor = slot.original.detach()
    kind = torch.float32 if tensor.is_floating_point() else tensor.dtype
    if tensor.is_meta:
        return torch.full(tensor.shape, torch.nan if tensor.is_floating_point() else 0, dtype=kind, device="cpu")
    whole = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor  # of a DTensor, which is a shard
    whole = whole if whole.layout == torch.strided else whole.to_dense()
    return whole.to("cpu", kind, copy=True, memory_format=torch.contiguous_format)


def write_back(copies: Iterable[tuple[Slot, Tensor]], device: torch.device) -> None:
    """Write copies into the module, of any device, precision and layout; meta tensors are allocated on `device`.

    The originals have passed `refuse_unwritable`, so that no write fails after another.
    """
    written = list(copies)
    targets = {id(slot.original): _target(slot, device) for slot, _ in written}  # all before any write: memory may end
    for slot, copy in written:
        target = targets[id(slot.original)]
        with torch.inference_mode(target.is_inference()), torch.no_grad():  # in this order: the first sets both
            target.copy_(_shard(copy, target))
        if target is not slot.original:
            setattr(slot.owner, slot.key, target)
    torch.clear_autocast_cache()  # around the call autocast may keep casts of the old values


def refuse_unwritable(slots: Sequence[Slot], in_inference_mode: bool) -> None:
    """Raise UserError for the first tensor that cannot be written to, in the mode of the caller, or twice."""
    for slot in slots:
        tensor = slot.original
        if tensor.is_inference() and not in_inference_mode:
            reason = "was made under torch.inference_mode(); make it outside, or clone it"
        elif tensor.layout != torch.strided:
            reason = f"is of layout {tensor.layout}; make it dense"
        elif _is_wrapper(tensor) and not hasattr(tensor, "full_tensor"):
            reason = f"is a {type(tensor).__name__}; initialize before quantizing or wrapping it"
        elif _overlaps(tensor):
            reason = "is expanded, several of its values share one place in memory; clone it"
        else:
            continue
        raise UserError(f"{slot.name} cannot be written to: it {reason}")
    if pair := _meeting(slots):
        raise UserError(
            f"{pair[0].name} and {pair[1].name} cannot be written to: they share memory, but not as one parameter; "
            "clone one of them, or use one parameter twice"
        )


def _is_wrapper(tensor: Tensor) -> bool:
    """Whether the values are elsewhere, as those of quantized, sharded and fake tensors are."""
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def _overlaps(tensor: Tensor) -> bool:
    """Whether two indices may mean one place in memory."""
    reach = 0
    axes = zip(tensor.stride(), tensor.shape, strict=True)
    for stride, size in sorted((stride, size) for stride, size in axes if size > 1):
        if stride <= reach:
            return True
        reach += stride * (size - 1)
    return False


def _meeting(slots: Iterable[Slot]) -> tuple[Slot, Slot] | None:
    """Two tensors that are not tied and have a place in memory in common."""
    apart = {_memory(slot): slot for slot in slots if not (slot.original.is_meta or _is_wrapper(slot.original))}
    before: list[tuple[int, Slot]] = []  # with the ends of their memory
    spans = [(*_span(one.original), one) for one in apart.values() if one.original.numel()]
    for start, end, slot in sorted(spans, key=itemgetter(0)):
        before = [(reach, other) for reach, other in before if reach > start]
        for _, other in before:
            if _share(slot.original, other.original):
                return other, slot
        before.append((end, slot))
    return None


def _span(tensor: Tensor) -> tuple[int, int]:
    """The address of the first byte of a tensor, and that behind its last."""
    reach = sum(int(stride) * (int(size) - 1) for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (reach + 1) * tensor.itemsize


def _share(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors whose spans meet have a value in common; columns of one matrix, say, have none."""
    storage = one.untyped_storage()
    if storage.data_ptr() != other.untyped_storage().data_ptr() or one.dtype != other.dtype:
        return True
    taken = torch.zeros(storage.nbytes() // one.itemsize, dtype=torch.bool)
    taken.as_strided(one.shape, one.stride(), int(one.storage_offset())).fill_(True)
    return bool(taken.as_strided(other.shape, other.stride(), int(other.storage_offset())).any())


def _memory(slot: Slot) -> object:
    """What tied tensors have in common: the tensor itself, or the memory that two of them share."""
    tensor = slot.original
    if tensor.is_meta or tensor.layout != torch.strided or _is_wrapper(tensor) or not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, slot.is_buffer


def _slots_of(module: nn.Module, recurse: bool) -> Iterator[Slot]:
    for path, owner in module.named_modules() if recurse else [("", module)]:
        for is_buffer, held in ((False, owner._parameters), (True, owner._buffers)):
            for key, tensor in held.items():
                if tensor is not None:
                    name = f"{path}.{key}" if path else key
                    _check(name, tensor)
                    yield Slot(name, owner, key, tensor, is_buffer)


def _check(name: str, tensor: Any) -> None:
    if is_lazy(tensor):
        raise UserError(f"{name} has no shape yet; run the module on a batch once, then initialize it")
    if tensor.is_meta and hasattr(tensor, "full_tensor"):
        raise UserError(f"{name} is sharded on the meta device; call module.to_empty(device=...) first")


def _copy_of(slot: Slot) -> Tensor:
    if slot.is_buffer or not slot.original.is_floating_point():
        copy = values(slot)
    else:
        copy = torch.full(slot.original.shape, torch.nan, dtype=torch.float32, device="cpu")
    return copy if slot.is_buffer else nn.Parameter(copy, requires_grad=slot.original.requires_grad)


def _target(slot: Slot, device: torch.device) -> Tensor:
    if not slot.original.is_meta:
        return slot.original
    empty = torch.empty_like(slot.original, device=device)
    return empty if slot.is_buffer else nn.Parameter(empty, requires_grad=slot.original.requires_grad)


def _shard(copy: Tensor, target: Tensor) -> Tensor:
    """The copy in the form of the target: of the values, which all processes drew alike, each keeps its shard."""
    if not hasattr(target, "full_tensor"):
        return copy
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(target, DTensor)
    whole = copy.detach().to(target.device, target.dtype)
    return distribute_tensor(whole, target.device_mesh, target.placements, src_data_rank=None)
