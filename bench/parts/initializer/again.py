"""A control: the law of another initializer once more, drawn from a stream of its own.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed, and reads conf/.
"""

import torch
from torch import Generator, nn

from bench.parts.initializer import scheme
from bench.parts.initializer.by_role import named
from bench.registry import initializer

SEEDS = 2**32  # torch's CPU generator takes 32 bits of its seed


@initializer
def again(model: nn.Module, generator: Generator, batch: object, *, of: str) -> None:
    """Draw each layer by the law of the initializer `of` of conf/, by a generator that `generator` seeds.

    A run has other weights than `of` has with the same seed, from the same law: whoever tells the two apart is wrong.
    Raises UserError for a name that is no law of one tensor.
    """
    law = named(of)
    seed = int(torch.randint(SEEDS, (), generator=generator))
    scheme.fill(model, torch.Generator().manual_seed(seed), law)
