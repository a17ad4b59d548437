"""Convolutions over maps so small that most of a kernel lies on padding, as matrix products: on a processor, faster.

ResNets for 8x8 images end with maps of 2x2, where a 3x3 kernel has nine taps for four pixels. As one matrix from all
pixels and channels to all others such a convolution takes fewer operations, and none of the reordering by which a
library prepares it; the same sums are taken, in another order.

In: a model. Out: the same model. Touches: nothing.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pair = tuple[int, ...]  # of rows and columns, as nn.Conv2d types it
PLAIN = ("zeros", tuple)  # padding by a number of zeros on each side


class Convolution(nn.Conv2d):
    """A convolution that is a matrix product on maps of fewer pixels than its kernel has taps, and as usual on others.

    Its kernel, and so whatever draws, counts or keeps weights, stays that of nn.Conv2d.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W'), of the layout channels_last where the product is taken."""
        height, width = images.shape[-2:]
        if images.ndim < 4 or height * width >= math.prod(self.kernel_size):
            return super().forward(images)
        padding = cast(Pair, self.padding)  # a layer padded by a word is none of these
        shape, taps = reach((height, width), self.kernel_size, self.stride, padding, self.dilation)
        # i, t, p: pixels in, taps, pixels out; c, o: channels in and out
        matrix = torch.einsum("itp,oct->poic", taps.to(self.weight), self.weight.flatten(2))
        bias = None if self.bias is None else self.bias.repeat(len(matrix))
        pixels = images.permute(0, 2, 3, 1).flatten(1)  # no copy: channels come last in memory
        found = F.linear(pixels, matrix.flatten(2).flatten(0, 1), bias)
        return found.view(-1, *shape, self.out_channels).permute(0, 3, 1, 2)


def reach(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[Pair, Tensor]:
    """The size of the output, and 1 where a tap of the kernel takes a pixel of the input to one of the output, else 0.

    The pixels are numbered row by row: (input, taps, output).
    """
    height, width = (
        (pixels + 2 * around - apart * (taps - 1) - 1) // step + 1
        for pixels, taps, step, around, apart in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    one_pixel_each = torch.eye(math.prod(size)).view(-1, 1, *size)
    return (height, width), F.unfold(one_pixel_each, kernel, dilation, padding, stride)


def with_products(model: nn.Module) -> nn.Module:
    """The model, its plain convolutions turned into `Convolution`; subclasses of a user stay as they are."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == 1 and (module.padding_mode, type(module.padding)) == PLAIN:
            module.__class__ = Convolution
    return model
