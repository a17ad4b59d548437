"""The residual blocks of the CIFAR networks: convolutions in one of two orders, and how a branch joins its shortcut.

In: channels, a stride, what the blocks of a net have in common. Out: modules. Touches: nothing.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.arguments import SUM
from bench.parts.model.layer import Activation, Normalization, Shape, convolution_and_norm, output_of
from bench.parts.model.scalar import Multiplier, Shift
from bench.parts.model.squeeze import SqueezeExcitation
from bench.parts.normalization import start_at_zero

SCALAR_RATE = 0.1  # of the run's learning rate, for the scalars of Fixup (Zhang et al. 2019)

BASIC, BOTTLENECK = (3, 3), (1, 3, 1)  # the kernels of a branch (He et al. 2016)


@dataclass(frozen=True)
class Design:
    """What is given to a net (`layer.Given`), and what all of its blocks have in common."""

    shape: Shape
    classes: int
    activation: Activation
    normalization: Normalization
    residual: str
    shortcut: str | None  # "A" or "B" where the shape changes; None: no block has a shortcut
    kernels: tuple[int, ...] = BASIC
    groups: int = 1  # of the 3x3 convolution of a bottleneck
    reduction: int | None = None  # of the channels in squeeze-and-excitation; None: there is none
    zero_init_residual: bool = False


class Block(nn.Module):
    """Normalized convolutions, added to the shortcut, if there is one, before the last activation (He et al. 2016)."""

    def __init__(self, c_in: int, width: int, c_out: int, stride: int, design: Design) -> None:
        super().__init__()
        self.residual, self.count = design.residual, len(design.kernels)
        self.add_branch(c_in, width, c_out, stride, design)
        self.shortcut = self.shortcut_module(c_in, c_out, stride, design)
        self.add_last(design)
        if self.residual in WITH_ALPHA:
            self.alpha = Multiplier()

    def add_branch(self, c_in: int, width: int, c_out: int, stride: int, design: Design) -> None:
        """Add conv1, norm1, activation1, conv2, ... without the last activation."""
        for index, (a, b, kernel, step, groups) in enumerate(convolutions(c_in, width, c_out, stride, design), 1):
            convolution, norm = convolution_and_norm(a, b, kernel, step, design.normalization, groups)
            self.add_module(f"conv{index}", convolution)
            self.add_module(f"norm{index}", norm)
            if index < self.count:
                self.add_module(f"activation{index}", design.activation())
        if design.zero_init_residual:
            start_at_zero(norm)
        self.add_gate(c_out, design)

    def add_gate(self, c_out: int, design: Design) -> None:
        """Add squeeze-and-excitation to the end of the branch, where the design has it."""
        if design.reduction is not None:
            self.gate = SqueezeExcitation(c_out, design.reduction, design.activation)

    def shortcut_module(self, c_in: int, c_out: int, stride: int, design: Design) -> nn.Module | None:
        """What is added to the branch: nothing (None), the input, or the input in the shape of the branch."""
        if design.shortcut is None:
            return None
        if stride == 1 and c_in == c_out:
            return nn.Identity()
        if design.shortcut == "A":
            return SubsampleAndPad(c_in, c_out, stride)
        return self.projection(c_in, c_out, stride, design)

    def projection(self, c_in: int, c_out: int, stride: int, design: Design) -> nn.Module:
        """A 1x1 convolution and its normalization."""
        return nn.Sequential(*convolution_and_norm(c_in, c_out, 1, stride, design.normalization))

    def add_last(self, design: Design) -> None:
        """Add the activation that follows the sum."""
        self.add_module(f"activation{self.count}", design.activation())

    def part(self, name: str, index: int) -> Any:
        """The convolution, norm or activation of a number from 1."""
        return self._modules[f"{name}{index}"]

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        branch = self.branch(x)
        return self.last(branch) if self.shortcut is None else self.join(branch, self.shortcut(x))

    def branch(self, x: Tensor) -> Tensor:
        """The convolutions, each with its norm and, but for the last, its activation."""
        for index in range(1, self.count + 1):
            x = self.part("norm", index)(self.part("conv", index)(x))
            x = self.part("activation", index)(x) if index < self.count else x
        return self.gated(x)

    def gated(self, branch: Tensor) -> Tensor:
        """The branch, its channels weighed by squeeze-and-excitation where there is one."""
        gate = self._modules.get("gate")
        out: Tensor = branch if gate is None else gate(branch)
        return out

    def last(self, x: Tensor) -> Tensor:
        """The activation after the sum."""
        out: Tensor = self.part("activation", self.count)(x)
        return out

    def join(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        """The block's output, in the form of its design."""
        return FORMS[self.residual](self, branch, shortcut)


class PreActivationBlock(Block):
    """A block whose norms and activations come before its convolutions, and nothing after the sum (He et al. 2016b).

    The shortcut sees the input itself, or the first activation of it where the shape changes, and in the first block
    of a net.
    """

    first = False  # of its net

    def add_branch(self, c_in: int, width: int, c_out: int, stride: int, design: Design) -> None:
        """Add norm1, activation1, conv1, norm2, ..."""
        for index, (a, b, kernel, step, groups) in enumerate(convolutions(c_in, width, c_out, stride, design), 1):
            self.add_module(f"norm{index}", output_of(design.normalization(a)))
            self.add_module(f"activation{index}", design.activation())
            convolution, _ = convolution_and_norm(a, b, kernel, step, design.normalization, groups)
            self.add_module(f"conv{index}", convolution)
        self.add_gate(c_out, design)

    def projection(self, c_in: int, c_out: int, stride: int, design: Design) -> nn.Module:
        """A 1x1 convolution."""
        return convolution_and_norm(c_in, c_out, 1, stride, design.normalization)[0]

    def add_last(self, design: Design) -> None:
        """Add nothing."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        assert self.shortcut is not None
        activated = self.part("activation", 1)(self.part("norm", 1)(x))
        shared = self.first or not isinstance(self.shortcut, nn.Identity)
        return self.join(self.branch(activated), self.shortcut(activated if shared else x))

    def branch(self, x: Tensor) -> Tensor:
        """The convolutions of the first activation, each later one after its norm and activation."""
        for index in range(1, self.count + 1):
            x = x if index == 1 else self.part("activation", index)(self.part("norm", index)(x))
            x = self.part("conv", index)(x)
        return self.gated(x)

    def last(self, x: Tensor) -> Tensor:
        """The sum itself."""
        return x


class FixupBlock(Block):
    """A block with a learned number before each convolution and activation, and one times its branch (Zhang 2019).

    The numbers have the names of the published code and learn, as there, at a tenth of the run's rate.
    """

    shortcut: nn.Module

    def __init__(self, c_in: int, width: int, c_out: int, stride: int, design: Design) -> None:
        super().__init__(c_in, width, c_out, stride, design)
        self.bias1a, self.bias1b, self.bias2a, self.bias2b = (Shift(SCALAR_RATE) for _ in range(4))
        self.scale = Multiplier(SCALAR_RATE)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        shifted, part = self.bias1a(x), self.part
        branch = part("activation", 1)(self.bias1b(part("norm", 1)(part("conv", 1)(shifted))))
        branch = self.bias2b(self.scale(part("norm", 2)(part("conv", 2)(self.bias2a(branch)))))
        # as in the published code, only a shortcut that changes the shape sees the shifted input
        return self.join(branch, x if isinstance(self.shortcut, nn.Identity) else self.shortcut(shifted))


FIXUP = "fixup"
FORMS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {  # (block, branch, shortcut) -> the block's output
    SUM: lambda block, branch, shortcut: block.last(branch + shortcut),  # He et al. 2016
    # alpha a learned number (De & Smith 2020)
    "scalar": lambda block, branch, shortcut: block.last(block.alpha(branch) + shortcut),
    # only the branch goes through the activation (Bachlechner et al. 2020)
    "rezero": lambda block, branch, shortcut: block.alpha(block.last(branch)) + shortcut,
    # has the variance of the terms (Balduzzi et al. 2017)
    "average": lambda block, branch, shortcut: block.last((branch + shortcut) / math.sqrt(2)),
    FIXUP: lambda block, branch, shortcut: block.last(branch + shortcut),  # with numbers of its own: FixupBlock
}
WITH_ALPHA = ("scalar", "rezero")


def convolutions(
    c_in: int, width: int, c_out: int, stride: int, design: Design
) -> Iterator[tuple[int, int, int, int, int]]:
    """Channels in and out, kernel, stride and groups of each convolution of a branch, `width` channels between them.

    The first 3x3 convolution strides, in a bottleneck as in torchvision.
    """
    kernels, groups = design.kernels, design.groups
    inner = [width] * (len(kernels) - 1)
    for a, b, kernel in zip((c_in, *inner), (*inner, c_out), kernels, strict=True):
        grouped = groups if kernel == 3 and kernels == BOTTLENECK else 1
        yield a, b, kernel, stride if kernel == 3 else 1, grouped
        stride = 1 if kernel == 3 else stride


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
