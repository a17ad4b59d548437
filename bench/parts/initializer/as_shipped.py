"""The weights that the constructor of a model draws itself.

In: a model. Out: the same model. Touches: nothing.
"""

from torch import nn

from bench.registry import initializer


@initializer
def as_shipped(model: nn.Module, generator: object, batch: object) -> None:
    """Keep what the constructor has drawn: the task seeds the global generators before it builds the model."""
