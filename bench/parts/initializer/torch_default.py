"""The default initialization of PyTorch's layers, and the weights that the constructor of a model draws itself.

In: a model and a generator. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import math

from torch import Generator, Tensor, nn

from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import draw_together, modules, restart_others
from bench.parts.initializer.resets import reset_by
from bench.parts.initializer.variance_scaling import uniform
from bench.registry import initializer


@initializer
def torch_default(model: nn.Module, generator: Generator, batch: Tensor | None) -> None:
    """Draw weights and biases from U(±1 / sqrt(n_in)): variance 1 / (3 n_in), Glorot & Bengio 2010's "standard" law.

    torch writes the weights' law as kaiming_uniform_(a=sqrt(5)). Biases are drawn too, after their layer's weight.
    Modules of another kind, such as nn.LSTM, follow their own reset_parameters(), the inner ones first and an
    nn.Transformer, which draws the matrices of all its layers again, last.
    """
    draws, drawing = [], list[nn.Module]()
    for layer in restart_others(model, drawing):
        if n_in := fans(layer.weight)[0]:
            draw = uniform(1 / math.sqrt(3 * n_in))
            draws += [(parameter, draw) for parameter in layer.parameters(recurse=False)]
    draw_together(draws, generator)
    transformers = [module for module in modules(model) if isinstance(module, nn.Transformer)]
    for module in reversed([*transformers, *drawing]):
        reset_by(module, generator)


@initializer
def as_shipped(model: nn.Module, generator: object, batch: object) -> None:
    """Keep what the constructor has drawn: the task seeds the global generators before it builds the model."""
