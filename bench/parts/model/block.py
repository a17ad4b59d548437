"""The residual blocks of the CIFAR networks, one class for each way in which a branch and its shortcut are joined.

In: channels, a stride, the run's activation and normalization. Out: modules. Touches: nothing.
"""

import math
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.arguments import SUM
from bench.parts.model.layer import Activation, Normalization, convolution_and_norm
from bench.parts.model.scalar import Multiplier, Shift

SCALAR_RATE = 0.1  # of the run's learning rate, for the scalars of Fixup (Zhang et al. 2019)


class Block(nn.Module):
    """Two normalized 3x3 convolutions, added to the shortcut, if there is one, before the last activation."""

    residual: ClassVar[str] = SUM

    def __init__(
        self,
        c_in: int,
        c_out: int,
        stride: int,
        activation: Activation,
        normalization: Normalization,
        shortcut: str | None,
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = convolution_and_norm(c_in, c_out, 3, stride, normalization)
        self.activation1 = activation()
        self.conv2, self.norm2 = convolution_and_norm(c_out, c_out, 3, 1, normalization)
        self.shortcut = shortcut_module(shortcut, c_in, c_out, stride, normalization)
        self.activation2 = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        branch = self.norm2(self.conv2(self.activation1(self.norm1(self.conv1(x)))))
        out: Tensor = self.activation2(branch) if self.shortcut is None else self.join(branch, self.shortcut(x))
        return out

    def join(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        """activation(branch + shortcut) (He et al. 2016)."""
        out: Tensor = self.activation2(branch + shortcut)
        return out


class ScalarBlock(Block):
    """A block whose branch is multiplied with one learned number, alpha (De & Smith 2020)."""

    residual = "scalar"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.alpha = Multiplier()

    def join(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        """activation(alpha branch + shortcut)."""
        return super().join(self.alpha(branch), shortcut)


class ReZeroBlock(ScalarBlock):
    """A block that ends with the sum: only the branch goes through the last activation (Bachlechner et al. 2020)."""

    residual = "rezero"

    def join(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        """alpha activation(branch) + shortcut."""
        out: Tensor = self.alpha(self.activation2(branch)) + shortcut
        return out


class AverageBlock(Block):
    """A block whose sum has the variance of its terms (Balduzzi et al. 2017)."""

    residual = "average"

    def join(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        """activation((branch + shortcut) / sqrt(2))."""
        out: Tensor = self.activation2((branch + shortcut) / math.sqrt(2))
        return out


class FixupBlock(Block):
    """A block with a learned number before each convolution and activation, and one times its branch (Zhang 2019).

    The numbers have the names of the published code and learn, as there, at a tenth of the run's rate.
    """

    residual = "fixup"
    shortcut: nn.Module

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.bias1a, self.bias1b, self.bias2a, self.bias2b = (Shift(SCALAR_RATE) for _ in range(4))
        self.scale = Multiplier(SCALAR_RATE)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        shifted = self.bias1a(x)
        branch = self.activation1(self.bias1b(self.norm1(self.conv1(shifted))))
        branch = self.bias2b(self.scale(self.norm2(self.conv2(self.bias2a(branch)))))
        # as in the published code, only a shortcut that changes the shape sees the shifted input
        return self.join(branch, x if isinstance(self.shortcut, nn.Identity) else self.shortcut(shifted))


BLOCKS: dict[str, type[Block]] = {
    block.residual: block for block in (Block, ScalarBlock, ReZeroBlock, AverageBlock, FixupBlock)
}


class SubsampleAndPad(nn.Module):
    """Option A: every stride-th pixel, and zero channels, half in front and half behind."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        front = (c_out - c_in) // 2
        self.stride, self.padding = stride, (0, 0, 0, 0, front, c_out - c_in - front)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        pixels = F.avg_pool2d(x, 1, self.stride)  # x[:, :, ::2, ::2], but its gradient keeps the layout of x
        return F.pad(pixels, self.padding)


def shortcut_module(
    option: str | None, c_in: int, c_out: int, stride: int, normalization: Normalization
) -> nn.Module | None:
    """What is added to a block's branch: nothing (None), its input, or its input in the shape of the branch."""
    if option is None:
        return None
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    if option == "A":
        return SubsampleAndPad(c_in, c_out, stride)
    return nn.Sequential(*convolution_and_norm(c_in, c_out, 1, stride, normalization))
