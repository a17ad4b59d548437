"""Whether runs of one shape can train as a pack, found by a step before anything is trained.

In: a model, a batch, how engines are built. Out: the reason why not. Touches: the device, and the global generators,
whose states it restores.
"""

from copy import deepcopy

from torch import nn

from bench.train import global_rng
from bench.train.engine import Batch, Build, differing

PACK = 2


def check(model: nn.Module, batch: Batch, build: Build) -> None:
    """Take a step of a copy of the model alone, then one of a pack of copies.

    Raises an error with the reason where a pack would not be its runs alone: RuntimeError, or what vmap raises.
    """
    fresh, alone, *pack = (deepcopy(model).train() for _ in range(2 + PACK))
    before = global_rng.states()
    try:
        build([alone]).losses([batch])
        if not global_rng.equal(before, global_rng.states()):
            raise RuntimeError("it draws random numbers as it trains, as dropout does")
        if where := differing(fresh, alone):
            raise RuntimeError(f"it keeps {where} from step to step, which is neither a parameter nor a buffer")
        if new := dict(alone.named_buffers()).keys() - dict(fresh.named_buffers()).keys():
            raise RuntimeError(f"it makes buffers as it trains: {', '.join(sorted(new))}")
        build(pack).losses([batch] * PACK)
    except RuntimeError as raised:
        if ".item()" in str(raised):  # torch's words name no way out
            number = "it reads a number from a tensor as it trains, as BatchNorm with momentum=None does"
            raise RuntimeError(number) from raised
        raise
    finally:
        global_rng.restore(before)
