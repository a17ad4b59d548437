"""A learned number that is multiplied with, or added to, every entry of a tensor, or one for each channel.

In: a tensor. Out: a tensor of the same shape. Touches: nothing.
"""

import torch
from torch import Tensor, nn


class Scalar(nn.Module):
    """A parameter of shape (size,) that starts at `start` and learns at `learning_rate_factor` times the run's rate."""

    def __init__(self, start: float, learning_rate_factor: float, size: int = 1) -> None:
        super().__init__()
        self.start, self.learning_rate_factor = start, learning_rate_factor
        self.value = nn.Parameter(torch.empty(size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the numbers to their start; nothing is drawn."""
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


class LayerScale(Scalar):
    """x -> value x, a value for each channel that starts near 0 (Touvron et al. 2021)."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__(start, 1.0, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape."""
        return x * self.value[:, None, None]
