"""Squeeze-and-excitation: a weight for each channel, computed from the means of all (Hu et al. 2018).

In: maps. Out: maps of the same shape. Touches: nothing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.model.layer import Activation


class SqueezeExcitation(nn.Module):
    """x times sigmoid(linear(activation(linear(mean of x)))), channel by channel; `reduction` fewer within."""

    def __init__(self, channels: int, reduction: int, activation: Activation) -> None:
        super().__init__()
        within = max(1, channels // reduction)
        self.squeeze, self.excite = nn.Linear(channels, within), nn.Linear(within, channels)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape."""
        means = F.avg_pool2d(x, x.shape[-2:]).flatten(1)
        weights = torch.sigmoid(self.excite(self.activation(self.squeeze(means))))
        return x * weights[:, :, None, None]
