"""A draft: float32 tensors on the CPU in the place of a module's own, so that a mistake leaves the module as it was.

In: a module. Out: its tensors, as they are to become, and their way back. Touches: the module, only by `deliver`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bench.schema import UserError


@dataclass(frozen=True, eq=False)
class Slot:
    """A place of a module that holds a parameter or a buffer."""

    name: str  # qualified, as in named_parameters()
    owner: nn.Module
    key: str
    original: Tensor
    is_buffer: bool

    @property
    def now(self) -> Tensor:
        """What the place holds at the moment: within `drafted` the draft, which a module may have replaced."""
        held = (self.owner._buffers if self.is_buffer else self.owner._parameters)[self.key]
        assert held is not None
        return held


@contextmanager
def drafted(module: nn.Module, recurse: bool) -> Iterator[list[Slot]]:
    """The module on drafts: parameters of NaN, so that one left out is noticed, and buffers of the same values.

    A draft is what a law fills: float32, contiguous, on the CPU, of the whole shape even where the module has a shard.
    Tensors that are one stay one. Without `recurse` the module has no children meanwhile.
    """
    slots, children = list(_slots(module, recurse)), module._modules
    drafts = {id(slot.original): _draft(slot) for slot in slots}
    try:
        if not recurse:
            module._modules = {}
        for slot in slots:
            setattr(slot.owner, slot.key, drafts[id(slot.original)])  # an nn.LSTM lists its weights, and sees this
        yield slots
    finally:
        module._modules = children
        for slot in slots:
            setattr(slot.owner, slot.key, slot.original)


def values(slot: Slot) -> Tensor:
    """What the module itself holds, in the form of a draft; NaN or 0 where it holds nothing yet."""
    tensor = slot.original.detach()
    kind = torch.float32 if tensor.is_floating_point() else tensor.dtype
    if tensor.is_meta:
        return torch.full(tensor.shape, torch.nan if tensor.is_floating_point() else 0, dtype=kind, device="cpu")
    whole = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor  # of a DTensor, which is a shard
    return whole.to("cpu", kind, copy=True, memory_format=torch.contiguous_format)


@torch.no_grad()
def deliver(drafts: Iterable[tuple[Slot, Tensor]], device: torch.device) -> None:
    """Write drafts into the module, whatever its device, precision and layout; meta tensors come to be on `device`."""
    written = list(drafts)
    homes = {id(slot.original): _home(slot, device) for slot, _ in written}  # before the first is written: memory ends
    for slot, draft in written:
        home = homes[id(slot.original)]
        home.copy_(_shard(draft, home))
        if home is not slot.original:
            setattr(slot.owner, slot.key, home)


def _slots(module: nn.Module, recurse: bool) -> Iterator[Slot]:
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


def _draft(slot: Slot) -> Tensor:
    if slot.is_buffer or not slot.original.is_floating_point():
        draft = values(slot)
    else:
        draft = torch.full(slot.original.shape, torch.nan, dtype=torch.float32, device="cpu")
    return draft if slot.is_buffer else nn.Parameter(draft, requires_grad=slot.original.requires_grad)


def _home(slot: Slot, device: torch.device) -> Tensor:
    if not slot.original.is_meta:
        return slot.original
    empty = torch.empty_like(slot.original, device=device)
    return empty if slot.is_buffer else nn.Parameter(empty, requires_grad=slot.original.requires_grad)


def _shard(draft: Tensor, home: Tensor) -> Tensor:
    """The draft as the home takes it: each process keeps its part of what all have drawn alike."""
    if not hasattr(home, "full_tensor"):
        return draft
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(home, DTensor)
    whole = draft.detach().to(home.device, home.dtype)
    return distribute_tensor(whole, home.device_mesh, home.placements, src_data_rank=None)
