"""Normalizations of a convolution's output: a new module at each call.

In: a number of channels. Out: a module. Touches: nothing.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from bench.bounds import Count
from bench.registry import normalization
from bench.schema import UserError


@normalization
def batch(channels: int) -> nn.Module:
    """Mean 0 and variance 1 per channel over the batch, then a learned scale and shift (Ioffe & Szegedy 2015)."""
    return nn.BatchNorm2d(channels)


@normalization
def none(channels: int) -> nn.Module:
    """No normalization; the models give their convolutions a bias instead."""
    return nn.Identity()


@normalization
def group(channels: int, *, groups: Count) -> nn.Module:
    """Mean 0 and variance 1 per image and group of channels, then a learned scale and shift (Wu & He 2018).

    Raises UserError for channels that do not split into so many equal groups.
    """
    if channels % groups:
        fitting = ", ".join(str(size) for size in range(1, channels + 1) if channels % size == 0)
        raise UserError(
            f"group normalization splits channels into equal groups, and a layer here has {channels} channels, not a "
            f"multiple of normalization.groups={groups}; it takes {fitting}"
        )
    return nn.GroupNorm(groups, channels)


@normalization
def layer(channels: int) -> nn.Module:
    """Mean 0 and variance 1 per image over channels, height and width (Ba et al. 2016), as one group of GroupNorm.

    The learned scale and shift are per channel.
    """
    return nn.GroupNorm(1, channels)


@normalization
def layer2d(channels: int) -> nn.Module:
    """Mean 0 and variance 1 per pixel over the channels, then a learned scale and shift, as in ConvNeXt."""
    return LayerNorm2d(channels, eps=1e-6)


@normalization
def instance(channels: int) -> nn.Module:
    """Mean 0 and variance 1 per image and channel, then a learned scale and shift (Ulyanov et al. 2016)."""
    return InstanceNorm2d(channels, affine=True)


class LayerNorm2d(nn.LayerNorm):
    """A layer norm over the channels of images, which come second."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        last = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return last.permute(0, 3, 1, 2)


class InstanceNorm2d(nn.InstanceNorm2d):
    """An instance norm that says why it takes no maps of one pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape. Raises UserError for maps of one pixel, whose deviation is 0."""
        if x.shape[-2] * x.shape[-1] == 1:
            raise UserError(
                "instance normalization leaves nothing of a map of one pixel, and the images shrink to one here; "
                "take larger images, a shallower model, or normalization=group"
            )
        return super().forward(x)
