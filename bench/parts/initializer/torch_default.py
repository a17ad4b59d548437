"""What PyTorch's layers do when nobody initializes them.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import math

from torch import Generator, Tensor, nn

from bench.parts.initializer.layers import draw, fans, layers, restart_others
from bench.parts.initializer.variance_scaling import uniform
from bench.registry import initializer


@initializer
def torch_default(model: nn.Module, generator: Generator, batch: Tensor | None) -> None:
    """Draw weights and biases from U(±1 / sqrt(n_in)): variance 1 / (3 n_in), Glorot & Bengio 2010's "standard" law.

    torch writes the weights' law as kaiming_uniform_(a=sqrt(5)). Biases are drawn too, after their layer's weight.
    """
    restart_others(model)
    for layer in layers(model):
        sigma = 1 / math.sqrt(3 * fans(layer.weight)[0])
        for parameter in layer.parameters(recurse=False):
            draw(parameter, lambda values, _, sigma=sigma: uniform(values, sigma, generator), generator)
