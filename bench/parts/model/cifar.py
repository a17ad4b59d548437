"""The CIFAR networks: ResNets and the same without shortcuts (plain), with bottlenecks, squeeze-and-excitation or
pre-activation, Wide ResNets, ResNeXts.

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from collections.abc import Sequence
from typing import Annotated, cast

import torch.nn.functional as F
from torch import Tensor, nn

from bench.bounds import Bound, Count
from bench.parts.model.block import (
    BASIC,
    BOTTLENECK,
    FIXUP,
    FORMS,
    SCALAR_RATE,
    Block,
    Design,
    FixupBlock,
    PreActivationBlock,
)
from bench.parts.model.layer import Given, convolution_and_norm, network, output_of, refuse_other_than_sum, unfit
from bench.parts.model.scalar import Shift
from bench.registry import refuse_unknown
from bench.schema import UserError

SHORTCUTS = ("A", "B")
PRE = "Fixup's numbers are for blocks in the order of He et al. 2016"
TWO = "Fixup's numbers are for blocks of two convolutions"
Depth = Annotated[int, Bound(most=10_000)]  # ten times the deepest of the papers
Widths = Sequence[tuple[int, int]]  # of each stage: channels within the branches, and of their sums


@network
def resnet(given: Given, *, depth: Depth, width: Count, shortcut: str) -> nn.Module:
    """ResNet of depth 6n+2 and stages of width, 2 width, 4 width channels (He et al. 2016, section 4.2).

    Where the shape changes, shortcut "A" subsamples and pads with zeros (no parameters), "B" is a 1x1 convolution
    and its normalization. Raises UserError for another depth, shortcut or residual.
    """
    _check(given, shortcut)
    design = Design(*given, shortcut)
    return Net(design, width, doubling(width), blocks_per_stage(depth, 6))


@network
def plain(given: Given, *, depth: Depth, width: Count) -> nn.Module:
    """The ResNet of the same depth and width without its shortcuts: the same convolutions in the same order.

    Raises UserError when the depth is not 6n+2, or an initializer needs residual branches.
    """
    refuse_other_than_sum(given.residual, "a plain net has no residual branches")
    design = Design(*given, shortcut=None)
    return Net(design, width, doubling(width), blocks_per_stage(depth, 6))


@network
def bottleneck_resnet(
    given: Given, *, depth: Depth, width: Count, shortcut: str, zero_init_residual: bool
) -> nn.Module:
    """ResNet of depth 9n+2 of bottlenecks: stages of width, 2 width, 4 width channels within, 4 times as many between.

    He et al. 2016b compare it with `preact_resnet`: 5.93 % of error on CIFAR-10 at depth 164 (unverified). Shortcuts as
    in `resnet`; with zero_init_residual the last normalization of each branch starts at weight 0 (Goyal et al. 2017).
    Raises UserError for another depth or shortcut, residual "fixup", and a normalization without the weight that should
    be 0.
    """
    _check(given, shortcut, TWO)
    design = Design(*given, shortcut, BOTTLENECK, zero_init_residual=zero_init_residual)
    return Net(design, width, doubling(width, 4), blocks_per_stage(depth, 9))


@network
def se_resnet(
    given: Given, *, depth: Depth, width: Count, shortcut: str, reduction: Count, zero_init_residual: bool
) -> nn.Module:
    """The ResNet with squeeze-and-excitation at the end of each branch (Hu et al. 2018).

    Published: 5.21 % of error on CIFAR-10 at depth 110 (unverified).
    Arguments and errors as of `resnet` and `bottleneck_resnet`; `reduction` fewer channels within, 1 at least.
    """
    _check(given, shortcut, "Fixup's numbers leave no place for squeeze-and-excitation")
    design = Design(*given, shortcut, reduction=reduction, zero_init_residual=zero_init_residual)
    return Net(design, width, doubling(width), blocks_per_stage(depth, 6))


@network
def preact_resnet(given: Given, *, depth: Depth, width: Count, shortcut: str, bottleneck: bool) -> nn.Module:
    """ResNet whose norms and activations come before the convolutions, of depth 6n+2, or 9n+2 of bottlenecks.

    He et al. 2016b: the sums are passed on as they are, and one more norm and activation follow the last. Published:
    6.37 % of error on CIFAR-10 at depth 110 and 5.46 % at 164, by SGD with momentum 0.9, batches of 128, weight decay
    1e-4 and a learning rate of 0.1, divided by 10 after 32,000 and 48,000 steps (unverified). Shortcut "B" is a 1x1
    convolution alone. Raises UserError for another depth or shortcut, and residual "fixup".
    """
    _check(given, shortcut, PRE)
    kernels, per_stage, growth = (BOTTLENECK, 9, 4) if bottleneck else (BASIC, 6, 1)
    design = Design(*given, shortcut, kernels)
    return PreActivationNet(design, width, doubling(width, growth), blocks_per_stage(depth, per_stage))


@network
def wide_resnet(given: Given, *, depth: Depth, widen: Count) -> nn.Module:
    """WRN-depth-widen: pre-activation, depth 6n+4, stages of 16, 32 and 64 times `widen` channels (Zagoruyko 2016).

    The depth counts the shortcut of each stage as a layer. No dropout. Published: 4.00 % of error on CIFAR-10 for
    28-10, by SGD with Nesterov momentum 0.9, batches of 128, weight decay 5e-4 and a learning rate of 0.1, divided by 5
    after 60, 120 and 160 of 200 epochs (unverified). Raises UserError for another depth, and residual "fixup".
    """
    _check(given, "B", PRE)
    design = Design(*given, "B")
    return PreActivationNet(design, 16, doubling(16 * widen), blocks_per_stage(depth, 6, 4))


@network
def resnext(
    given: Given, *, depth: Depth, cardinality: Count, base_width: Count, zero_init_residual: bool
) -> nn.Module:
    """ResNeXt-depth, cardinality x base_width d: bottlenecks whose 3x3 convolution has groups (Xie et al. 2017).

    Depth 9n+2, stages of 256, 512 and 1024 channels, projection shortcuts. Published: 3.65 % of error on CIFAR-10 for
    8x64d and 3.58 % for 16x64d, by SGD with momentum 0.9, batches of 128, weight decay 5e-4 and a learning rate of 0.1,
    divided by 10 after 150 and 225 of 300 epochs (unverified). Raises UserError for another depth, residual
    "fixup", and zero_init_residual with a normalization without a weight.
    """
    _check(given, "B", TWO)
    design = Design(*given, "B", BOTTLENECK, cardinality, zero_init_residual=zero_init_residual)
    widths = [(cardinality * base_width * times, 256 * times) for times in (1, 2, 4)]
    return Net(design, 64, widths, blocks_per_stage(depth, 9))


class Net(nn.Module):
    """A 3x3 convolution, three stages of blocks, a global average, a linear layer."""

    def __init__(self, design: Design, stem: int, widths: Widths, blocks: int) -> None:
        super().__init__()
        fixup = design.residual == FIXUP
        block = FixupBlock if fixup else Block
        self.conv1, self.norm1 = convolution_and_norm(design.shape[0], stem, 3, 1, design.normalization)
        self.bias1 = Shift(SCALAR_RATE) if fixup else nn.Identity()
        self.activation1 = design.activation()
        self.layer1, self.layer2, self.layer3 = stages(block, design, stem, widths, blocks)
        self.bias2 = Shift(SCALAR_RATE) if fixup else nn.Identity()
        self.linear = nn.Linear(widths[-1][1], design.classes)
        for convolution in (module for module in self.modules() if fixup and isinstance(module, nn.Conv2d)):
            convolution.bias = None  # Fixup has its numbers instead

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        x = self.activation1(self.bias1(self.norm1(self.conv1(images))))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(self.bias2(global_average(x)))
        return logits


class PreActivationNet(nn.Module):
    """A 3x3 convolution, three stages of blocks, a norm and an activation, a global average, a linear layer."""

    def __init__(self, design: Design, stem: int, widths: Widths, blocks: int) -> None:
        super().__init__()
        self.conv1, _ = convolution_and_norm(design.shape[0], stem, 3, 1, design.normalization)
        self.layer1, self.layer2, self.layer3 = stages(PreActivationBlock, design, stem, widths, blocks)
        cast(PreActivationBlock, self.layer1[0]).first = True
        self.norm = output_of(design.normalization(widths[-1][1]))
        self.activation = design.activation()
        self.linear = nn.Linear(widths[-1][1], design.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        logits: Tensor = self.linear(global_average(self.activation(self.norm(x))))
        return logits


def stages(block: type[Block], design: Design, stem: int, widths: Widths, blocks: int) -> list[nn.Sequential]:
    """Stages of blocks, the first block of each but the first stage with stride 2."""
    found, c_in = [], stem
    for index, (width, c_out) in enumerate(widths):
        first = block(c_in, width, c_out, 2 if index else 1, design)
        others = (block(c_out, width, c_out, 1, design) for _ in range(blocks - 1))
        found.append(nn.Sequential(first, *others))
        c_in = c_out
    return found


def doubling(width: int, growth: int = 1) -> Widths:
    """Stages of width, 2 width and 4 width channels within the branches, `growth` times as many between."""
    return [(times * width, growth * times * width) for times in (1, 2, 4)]


def global_average(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c), the mean of each channel.

    The gradient of x.mean((2, 3)) is expanded, and so has no layout; an adaptive pool has no form for packs.
    """
    return F.avg_pool2d(x, x.shape[-2:]).flatten(1)


def blocks_per_stage(depth: int, per_block: int, others: int = 2) -> int:
    """The n of depth 6n+2 and the like: three stages of n blocks, and `others`, such as the first and the last layer.

    Raises UserError for another depth.
    """
    blocks, rest = divmod(depth - others, per_block)
    if blocks < 1 or rest:
        below = max(per_block * blocks + others, per_block + others)
        raise UserError(
            f"depth {depth} is not {per_block}n+{others} with n >= 1; the nearest depths are {below} and "
            f"{below + per_block}"
        )
    return blocks


def _check(given: Given, shortcut: str, no_fixup: str = "") -> None:
    """Raises UserError for an unknown shortcut or residual, and for residual "fixup" where there is a reason."""
    refuse_unknown("shortcut", shortcut, SHORTCUTS)
    refuse_unknown("residual", given.residual, FORMS)
    if given.residual == FIXUP and no_fixup:
        raise unfit(given.residual, no_fixup)
