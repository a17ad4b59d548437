"""ConvNeXts of small size.

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from bench.bounds import Count, Length, Nonnegative
from bench.parts.model.cifar import global_average
from bench.parts.model.layer import Given, hand_over, network, refuse_other_than_sum
from bench.parts.model.scalar import LayerScale
from bench.schema import UserError

Stages = Annotated[list[Count], Length(4)]
KERNEL = 7  # of the depthwise convolutions
WIDER = 4  # channels within a block


@network
def convnext(given: Given, *, depths: Stages, widths: Stages, patch: Count, layer_scale: Nonnegative) -> nn.Module:
    """ConvNeXt (Liu et al. 2022): depthwise 7x7 convolution, norm, two 1x1 convolutions around an activation.

    The published normalization is layer2d, the published activation gelu. The stem takes patches of patch x patch
    pixels, each stage but the first halves height and width, and each branch is multiplied with a number per channel
    that starts at layer_scale. All convolutions have a bias. Raises UserError for images too small for that, and
    another residual than "sum".
    """
    refuse_other_than_sum(given.residual, "ConvNeXts add branch and shortcut")
    _, height, width = given.shape
    if min(height, width) < 8 * patch:
        raise UserError(
            f"patches of {patch} pixels and three halvings need images of {8 * patch} pixels a side, and these have "
            f"{height}x{width}; take a smaller model.patch, such as 1, or larger images"
        )
    return ConvNeXt(given, depths, widths, patch, layer_scale)


class ConvNeXt(nn.Module):
    """A convolution of patches, four stages of blocks, a global average, a norm, a linear layer."""

    def __init__(
        self, given: Given, depths: Sequence[int], widths: Sequence[int], patch: int, layer_scale: float
    ) -> None:
        super().__init__()
        normalization = given.normalization
        self.stem = nn.Sequential(nn.Conv2d(given.shape[0], widths[0], patch, patch), normalization(widths[0]))
        stages, c_in = [], widths[0]
        for index, (count, width) in enumerate(zip(depths, widths, strict=True)):
            halving = (normalization(c_in), nn.Conv2d(c_in, width, 2, 2)) if index else ()
            blocks = (ConvNeXtBlock(width, given, layer_scale) for _ in range(count))
            stages.append(nn.Sequential(*halving, *blocks))
            c_in = width
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.norm = normalization(c_in)
        self.linear = nn.Linear(c_in, given.classes)
        hand_over(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(images)))))
        logits: Tensor = self.linear(self.norm(global_average(x)[:, :, None, None]).flatten(1))
        return logits


class ConvNeXtBlock(nn.Module):
    """x + scale conv(activation(conv(norm(depthwise(x)))))."""

    def __init__(self, width: int, given: Given, layer_scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = given.normalization(width)
        self.conv1 = nn.Conv2d(width, WIDER * width, 1)
        self.activation = given.activation()
        self.conv2 = nn.Conv2d(WIDER * width, width, 1)
        self.scale = LayerScale(width, layer_scale)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) -> the same shape."""
        branch = self.conv2(self.activation(self.conv1(self.norm(self.depthwise(x)))))
        out: Tensor = x + self.scale(branch)
        return out
