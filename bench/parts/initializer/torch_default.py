"""The default initialization of PyTorch's layers.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import math

from torch import Generator, Tensor, nn

from bench.parts.initializer.layers import draw_together, fans, restart_others
from bench.parts.initializer.variance_scaling import uniform
from bench.registry import initializer


@initializer
def torch_default(model: nn.Module, generator: Generator, batch: Tensor | None) -> None:
    """Draw weights and biases from U(±1 / sqrt(n_in)): variance 1 / (3 n_in), Glorot & Bengio 2010's "standard" law.

    torch writes the weights' law as kaiming_uniform_(a=sqrt(5)). Biases are drawn too, after their layer's weight.
    """
    draws = []
    for layer in restart_others(model):
        draw = uniform(1 / math.sqrt(3 * fans(layer.weight)[0]))
        draws += [(parameter, draw) for parameter in layer.parameters(recurse=False)]
    draw_together(draws, generator)
