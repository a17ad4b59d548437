"""Whether runs of one shape can train as a pack, found by a step before anything is trained.

In: a model, a batch, how engines are built. Out: the reason why not. Touches: the device, and the global generators,
whose states it restores.
"""

import torch
from torch import Tensor, nn

from bench.train import global_rng
from bench.train.engine import Build, copied, differing

PACK = 2


def check(model: nn.Module, images: Tensor, labels: Tensor, build: Build) -> None:
    """Take two steps of a copy of the model alone, then one of a pack of copies, on images (N, C, H, W).

    Raises an error with the reason where a pack would not be its runs alone: RuntimeError, or what vmap raises.
    """
    first, *pack = (copied(model) for _ in range(1 + PACK))
    before = global_rng.states()
    try:
        build([first]).losses(images[None], labels[None])
        if not global_rng.equal(before, global_rng.states()):
            raise RuntimeError("it draws random numbers as it trains, as dropout does")
        if new := dict(first.named_buffers()).keys() - dict(model.named_buffers()).keys():
            raise RuntimeError(f"it makes buffers as it trains: {', '.join(sorted(new))}")
        second = copied(first)
        build([second]).losses(images[None], labels[None])
        if where := differing(first, second):
            raise RuntimeError(f"it keeps {where}, which is neither a parameter nor a buffer")
        build(pack).losses(torch.stack([images] * PACK), torch.stack([labels] * PACK))
    except RuntimeError as raised:
        if ".item()" in str(raised):  # torch's words name no way out
            number = "it reads a number from a tensor as it trains, as BatchNorm with momentum=None does"
            raise RuntimeError(number) from raised
        raise
    finally:
        global_rng.restore(before)
