"""The CIFAR networks of He et al. 2016, with their shortcuts (resnet) and without (plain).

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from bench.bounds import Bound, Count
from bench.parts.model.block import BLOCKS, SCALAR_RATE, Block, FixupBlock
from bench.parts.model.layer import Activation, Normalization, Shape, convolution_and_norm, refuse_other_than_sum
from bench.parts.model.scalar import Shift
from bench.registry import model, unknown
from bench.schema import UserError

SHORTCUTS = ("A", "B")
Depth = Annotated[int, Bound(most=10_000)]  # ten times the deepest of the paper


@model
def resnet(
    shape: Shape,
    classes: int,
    activation: Activation,
    normalization: Normalization,
    residual: str,
    *,
    depth: Depth,
    width: Count,
    shortcut: str,
) -> nn.Module:
    """ResNet of depth 6n+2 and stages of width, 2 width, 4 width channels (He et al. 2016, section 4.2).

    Where the shape changes, shortcut "A" subsamples and pads with zeros (no parameters), "B" is a 1x1 convolution
    and its normalization. Raises UserError for another depth, shortcut or residual.
    """
    if shortcut not in SHORTCUTS:
        raise UserError(unknown("shortcut", shortcut, SHORTCUTS))
    if residual not in BLOCKS:
        raise UserError(unknown("residual", residual, BLOCKS))
    return Net(shape, classes, activation, normalization, BLOCKS[residual], depth, width, shortcut)


@model
def plain(
    shape: Shape,
    classes: int,
    activation: Activation,
    normalization: Normalization,
    residual: str,
    *,
    depth: Depth,
    width: Count,
) -> nn.Module:
    """The ResNet of the same depth and width without its shortcuts: the same convolutions in the same order.

    Raises UserError when the depth is not 6n+2, or an initializer needs residual branches.
    """
    refuse_other_than_sum(residual, "a plain net has no residual branches")
    return Net(shape, classes, activation, normalization, Block, depth, width, shortcut=None)


class Net(nn.Module):
    """A 3x3 convolution, three stages of n blocks, a global average, a linear layer."""

    def __init__(
        self,
        shape: Shape,
        classes: int,
        activation: Activation,
        normalization: Normalization,
        block: type[Block],
        depth: int,
        width: Count,
        shortcut: str | None,
    ) -> None:
        super().__init__()

        def stage(c_in: int, c_out: int, stride: int) -> nn.Sequential:
            first = block(c_in, c_out, stride, activation, normalization, shortcut)
            others = (block(c_out, c_out, 1, activation, normalization, shortcut) for _ in range(blocks - 1))
            return nn.Sequential(first, *others)

        blocks = blocks_per_stage(depth)
        self.conv1, self.norm1 = convolution_and_norm(shape[0], width, 3, 1, normalization)
        self.bias1 = scalar_bias(block)
        self.activation1 = activation()
        self.layer1 = stage(width, width, 1)
        self.layer2 = stage(width, 2 * width, 2)
        self.layer3 = stage(2 * width, 4 * width, 2)
        self.bias2 = scalar_bias(block)
        self.linear = nn.Linear(4 * width, classes)
        if block is FixupBlock:
            remove_biases(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        x = self.activation1(self.bias1(self.norm1(self.conv1(images))))
        x = self.layer3(self.layer2(self.layer1(x)))
        # the gradient of x.mean((2, 3)) is expanded, and so has no layout; an adaptive pool has no form for packs
        x = F.avg_pool2d(x, x.shape[-2:])
        logits: Tensor = self.linear(self.bias2(x.flatten(1)))
        return logits


def scalar_bias(block: type[Block]) -> nn.Module:
    """The module before an activation or the linear layer outside the blocks: a learned number, with Fixup only."""
    return Shift(SCALAR_RATE) if block is FixupBlock else nn.Identity()


def remove_biases(net: nn.Module) -> None:
    """Remove the biases of the convolutions: Fixup replaces them with its numbers."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = None


def blocks_per_stage(depth: int) -> int:
    """The n of depth 6n+2: three stages of n blocks of two convolutions, the first convolution, the linear layer."""
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        below = max(6 * blocks + 2, 8)
        raise UserError(f"depth {depth} is not 6n+2 with n >= 1; the nearest depths are {below} and {below + 6}")
    return blocks
