"""A control: the law of another initializer, drawn from another stream of random numbers.

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
    """Draw each layer by the law of the initializer `of` of conf/, with a generator that `generator` seeds.

    With the same seed a run has other weights than with `of`, from the same law: a difference between the two is a
    false positive. Raises UserError for a name that is not a law of one tensor.
    """
    law = named(of)
    seed = int(torch.randint(SEEDS, (), generator=generator))
    scheme.fill(model, torch.Generator().manual_seed(seed), law)
