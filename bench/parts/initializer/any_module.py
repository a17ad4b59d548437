"""Any module filled by any initializer: on copies, so whole or not at all, also where it has layers of other kinds.

In: a module and an initializer. Out: the values of its tensors, or the module. Touches: the module, which `fill` alone
changes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.parts.dataset.tensors import Split
from bench.parts.initializer.copies import Slot, on_copies, values, write_back
from bench.parts.initializer.stand_ins import StandIns, finish, refuse_unfillable, stand_ins
from bench.parts.initializer.torch_default import torch_default
from bench.schema import UserError

Initialize = Callable[[nn.Module, Generator, Split | None], Any]
Look = Callable[[Sequence[Slot], StandIns], None]


def fill(module: nn.Module, name: str, initialize: Initialize, generator: Generator, batch: Split | None) -> nn.Module:
    """Fill a module on the CPU as `bench.initialize` does with others="keep": return it.

    Convolutions, linear layers and the matrices of attention, recurrence and transposed convolutions follow the
    initializer, their biases are 0, norms are at their start, embeddings N(0, 1); any other parameter, such as a scale
    per channel, a token or a position, stays as the module's constructor left it. Raises UserError as that does.
    """
    refuse_unfillable(module, recurse=True)
    write_back(values_of(module, name, initialize, generator, batch, others="keep"), torch.device("cpu"))
    return module


def calls_resets(initialize: Initialize) -> bool:
    """Whether an initializer, as `registry.build` returns it, calls the reset of each module."""
    return getattr(getattr(initialize, "func", None), "__name__", "") == torch_default.__name__


def values_of(
    module: nn.Module,
    name: str,
    initialize: Initialize,
    generator: Generator,
    batch: Split | None,
    *,
    others: str,
    recurse: bool = True,
    forget_bias: float | None = None,
    look: Look | None = None,
) -> list[tuple[Slot, Tensor]]:
    """The values that a module gets, each with its place; the module is unchanged.

    `look` is called while the module has them. For the rest see `bench.initialize`.
    """
    try:
        with torch.random.fork_rng(devices=[]), on_copies(module, recurse) as slots:
            torch.default_generator.manual_seed(generator.initial_seed())  # of a forward pass that draws
            with stand_ins(slots, generator, others, calls_resets(initialize)) as found:
                initialize(module, generator, batch)
                finish(slots, forget_bias)
                if look:
                    look(slots, found)
            copies = [(slot, slot.current) for slot in slots if slot.name not in found.kept]
            return [(slot, copy) for slot, copy in copies if _checked(slot, copy, name)]
    except UserError:
        raise
    except Exception as error:
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{name} cannot fill this {type(module).__name__}: {cause}") from error


def _checked(slot: Slot, copy: Tensor, name: str) -> bool:
    """Whether the module has to be written to; raises UserError for values that its dtype cannot hold."""
    if slot.is_buffer and slot.original.is_meta:
        if bool(copy.isnan().any()) or not hasattr(slot.owner, "reset_parameters"):
            raise UserError(
                f"{slot.name} is a buffer on the meta device, whose values are unknown; build it on another device"
            )
    elif slot.is_buffer or not slot.original.is_floating_point():
        return not torch.equal(copy, values(slot))
    elif copy.numel():
        if bool(copy.isnan().any()):
            raise UserError(f"{name} leaves values of {slot.name} that are no numbers")
        largest = max(map(abs, torch.stack(copy.detach().aminmax()).tolist()))
        if not largest <= torch.finfo(slot.original.dtype).max:
            raise UserError(
                f"{name} gives {slot.name} values that {slot.original.dtype} does not hold, up to {largest}"
            )
    return True
