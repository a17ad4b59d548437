"""The CIFAR networks of He et al. 2016, with their shortcuts (resnet) and without (plain).

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.model.layer import Activation, Normalization, Shape, convolution_and_norm
from bench.registry import model, unknown
from bench.schema import UserError

SHORTCUTS = ("A", "B")


@model
def resnet(
    shape: Shape,
    classes: int,
    activation: Activation,
    normalization: Normalization,
    *,
    depth: int,
    width: int,
    shortcut: str,
) -> nn.Module:
    """ResNet of depth 6n+2 and stages of width, 2 width, 4 width channels (He et al. 2016, section 4.2).

    Where the shape changes, shortcut "A" subsamples and pads with zeros (no parameters), "B" is a 1x1 convolution
    and its normalization. Raises UserError for another depth or shortcut.
    """
    if shortcut not in SHORTCUTS:
        raise UserError(unknown("shortcut", shortcut, SHORTCUTS))
    return Net(shape, classes, activation, normalization, depth, width, shortcut)


@model
def plain(
    shape: Shape, classes: int, activation: Activation, normalization: Normalization, *, depth: int, width: int
) -> nn.Module:
    """The ResNet of the same depth and width without its shortcuts: the same convolutions in the same order.

    Raises UserError when the depth is not 6n+2.
    """
    return Net(shape, classes, activation, normalization, depth, width, shortcut=None)


class Net(nn.Module):
    """A 3x3 convolution, three stages of n blocks, a global average, a linear layer."""

    def __init__(
        self,
        shape: Shape,
        classes: int,
        activation: Activation,
        normalization: Normalization,
        depth: int,
        width: int,
        shortcut: str | None,
    ) -> None:
        super().__init__()

        def stage(c_in: int, c_out: int, stride: int) -> nn.Sequential:
            first = Block(c_in, c_out, stride, activation, normalization, shortcut)
            others = (Block(c_out, c_out, 1, activation, normalization, shortcut) for _ in range(blocks - 1))
            return nn.Sequential(first, *others)

        blocks = blocks_per_stage(depth)
        self.conv1, self.norm1 = convolution_and_norm(shape[0], width, 3, 1, normalization)
        self.activation1 = activation()
        self.layer1 = stage(width, width, 1)
        self.layer2 = stage(width, 2 * width, 2)
        self.layer3 = stage(2 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        x = self.activation1(self.norm1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.adaptive_avg_pool2d(x, 1)  # the gradient of x.mean((2, 3)) is expanded: no layout, slower layers below
        logits: Tensor = self.linear(x.flatten(1))
        return logits


class Block(nn.Module):
    """Two normalized 3x3 convolutions; the sum with the shortcut, if there is one, comes before the last activation."""

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
        out: Tensor = self.activation2(branch if self.shortcut is None else branch + self.shortcut(x))
        return out


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
    """What is added to a block's branch: nothing (None), its input, or its input brought to the branch's shape."""
    if option is None:
        return None
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    if option == "A":
        return SubsampleAndPad(c_in, c_out, stride)
    return nn.Sequential(*convolution_and_norm(c_in, c_out, 1, stride, normalization))


def blocks_per_stage(depth: int) -> int:
    """The n of depth 6n+2: three stages of n blocks of two convolutions, the first convolution, the linear layer."""
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        below = max(6 * blocks + 2, 8)
        raise UserError(f"depth {depth} is not 6n+2 with n >= 1; the nearest depths are {below} and {below + 6}")
    return blocks
