"""The plain nets of He et al. 2015, without shortcuts, whose depth of 30 was to show what their initializer is for.

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.bounds import Positive
from bench.parts.model.layer import Given, Shape, convolution_and_norm, network, refuse_other_than_sum
from bench.registry import refuse_unknown
from bench.schema import UserError


class Table(NamedTuple):
    """A net of the paper: its first convolution, its stages, and the pyramid of max-pools after them."""

    channels: int  # of the first convolution
    pool: int  # the stride of the pool after it
    kernel: int  # of the convolutions in stages
    stages: tuple[tuple[int, int], ...]  # channels, and number of convolutions
    levels: tuple[int, ...]


NETS = {
    22: Table(96, 2, 3, ((256, 6), (512, 6), (512, 6)), (7, 3, 2, 1)),
    30: Table(64, 3, 2, ((128, 4), (256, 22)), (6, 3, 2, 1)),
}
STEMS = ("cifar", "imagenet")
HIDDEN = 4096  # units of the two linear layers before the last
STEP = 8  # a scaled number of channels is a multiple of it


@network
def he2015(given: Given, *, depth: int, stem: str, width_multiplier: Positive) -> nn.Module:
    """The net of 22 or 30 layers, 3 of them linear, on which He et al. 2015 compare their initializer with Xavier's.

    22 is model B of their table 3: three stages of six 3x3 convolutions. 30 is the small model of table 1 with sixteen
    more of its 2x2 convolutions, which pad by 1 and 0 in turn. Stages end with a max-pool, the last with a pyramid of
    max-pools. Both tables are given from memory (unverified).

    Stem "imagenet" is theirs: a 7x7 convolution of stride 2 and a max-pool. For small images "cifar" is a 3x3
    convolution of stride 1 and no pool. Levels of the pyramid that are finer than the last maps are left out, and so is
    dropout. Published: at depth 30 Xavier's stalls and theirs reaches 38.56 % of error on ImageNet, by SGD with
    momentum 0.9, batches of 128 and a learning rate from 1e-2 down to 1e-4 in about 80 epochs (unverified). All
    channels and hidden units are multiplied with width_multiplier, to multiples of 8.
    Raises UserError for another depth or stem, and another residual than "sum".
    """
    refuse_other_than_sum(given.residual, "a plain net has no residual branches")
    if depth not in NETS:
        raise UserError(f"he2015 has no depth {depth}; take {', '.join(map(str, NETS))}")
    refuse_unknown("stem", stem, STEMS)
    return PlainNet(given, NETS[depth], stem, width_multiplier)


class PlainNet(nn.Module):
    """Convolutions and max-pools, a pyramid of max-pools, three linear layers."""

    def __init__(self, given: Given, table: Table, stem: str, multiplier: float) -> None:
        super().__init__()
        activation, normalization = given.activation, given.normalization
        first, hidden, *widths = (
            multiple(count * multiplier) for count in (table.channels, HIDDEN, *(width for width, _ in table.stages))
        )
        kernel, stride = (3, 1) if stem == "cifar" else (7, 2)
        parts = [*convolution_and_norm(given.shape[0], first, kernel, stride, normalization), activation()]
        parts += [] if stem == "cifar" else [pool(table.pool)]
        for index, (c_in, width, (_, count)) in enumerate(zip((first, *widths), widths, table.stages, strict=False)):
            parts += [pool(2)] if index else []
            for place in range(count):
                inputs = width if place else c_in
                convolution, norm = convolution_and_norm(inputs, width, table.kernel, 1, normalization)
                if table.kernel == 2 and place % 2:
                    convolution.padding = (0, 0)
                parts += [convolution, norm, activation()]
        self.features = nn.Sequential(*parts)
        self.levels = levels_for(given.shape, table, stem)
        inputs = widths[-1] * sum(level**2 for level in self.levels)
        linear = (nn.Linear(inputs, hidden), activation(), nn.Linear(hidden, hidden), activation())
        self.classifier = nn.Sequential(*linear, nn.Linear(hidden, given.classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        logits: Tensor = self.classifier(pyramid(self.features(images), self.levels))
        return logits


def multiple(channels: float) -> int:
    """The nearest multiple of STEP, STEP at least."""
    return max(STEP, round(channels / STEP) * STEP)


def pool(stride: int) -> nn.Module:
    """A max-pool that rounds sizes up."""
    return nn.MaxPool2d(stride, stride, ceil_mode=True)


def levels_for(shape: Shape, table: Table, stem: str) -> list[int]:
    """The levels of the pyramid that are not finer than the last maps of images of a shape."""
    sizes = shape[1:]
    for stride in ([] if stem == "cifar" else [2, table.pool]) + [2] * (len(table.stages) - 1):
        sizes = tuple(-(-size // stride) for size in sizes)  # type: ignore[assignment]
    return [level for level in table.levels if level <= min(sizes)]


def pyramid(x: Tensor, levels: Sequence[int]) -> Tensor:
    """(n, c, h, w) -> (n, c sum of level²): for each level the maxima of level x level windows (He et al. 2014)."""
    size, found = x.shape[-2:], []
    for level in levels:
        strides = [one // level for one in size]
        windows = [one - (level - 1) * stride for one, stride in zip(size, strides, strict=True)]
        found.append(F.max_pool2d(x, windows, strides).flatten(1))
    return torch.cat(found, 1)
