"""One learned number that is multiplied with, or added to, every entry of a tensor.

In: a tensor. Out: a tensor of the same shape. Touches: nothing.
"""

import torch
from torch import Tensor, nn


class Scalar(nn.Module):
    """A parameter of shape (1,) that starts at `start` and learns at `learning_rate_factor` times the run's rate."""

    def __init__(self, start: float, learning_rate_factor: float) -> None:
        super().__init__()
        self.start, self.learning_rate_factor = start, learning_rate_factor
        self.value = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the number to its start; nothing is drawn."""
        nn.init.constant_(self.value, self.start)


class Multiplier(Scalar):
    """x -> value x, at first x itself."""

    def __init__(self, learning_rate_factor: float = 1.0) -> None:
        super().__init__(1.0, learning_rate_factor)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * self.value


class Shift(Scalar):
    """x -> x + value, at first x itself."""

    def __init__(self, learning_rate_factor: float = 1.0) -> None:
        super().__init__(0.0, learning_rate_factor)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x + self.value
