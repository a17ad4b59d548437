"""Normalizations of a convolution's output, or of its weights: a new module at each call.

In: a number of channels. Out: a module. Touches: nothing.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.bounds import Count, Positive
from bench.registry import normalization
from bench.schema import UserError

SMALLEST = 1e-4  # variance of weights times n_in that is divided by


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


@normalization
def weight_standardization(channels: int) -> nn.Module:
    """The convolution's weights (w - mean) / std per output channel, then batch normalization (Qiao et al. 2019).

    Outputs need the second: they are sqrt(n_in) times as large as the inputs.
    """
    return OfWeights(batch(channels))


@normalization
def weight_standardization_group(channels: int, *, groups: Count) -> nn.Module:
    """Standardized weights, then group normalization (Qiao et al. 2019). Raises UserError as `group` does."""
    return OfWeights(group(channels, groups=groups))


@normalization
def scaled_weight_standardization(channels: int, *, gamma: Positive) -> nn.Module:
    """Weights gamma (w - mean) / (std sqrt(n_in)), then a learned gain and bias per channel (Brock et al. 2021).

    The paper's gamma is 1 / std(phi(z)), z ~ N(0, 1), of the activation phi that comes before, 1.71286 for relu
    (1.71396 in its code, from a sample); NF-ResNets (`nf_resnet`) multiply their activations with it, and take 1 here.
    """
    return OfWeights(ScaleAndShift(channels), gamma)


@torch.no_grad()
def start_at_zero(norm: nn.Module) -> None:
    """Make 0 the start of a norm's weight, for every initializer (Goyal et al. 2017).

    Raises UserError where there is no weight.
    """
    weight = getattr(norm, "weight", None)
    if weight is None:
        raise UserError(
            "zero_init_residual starts the weight of the last normalization of a branch at 0, and this normalization "
            "has none; take normalization=batch, or model.zero_init_residual=false"
        )
    norm.weight_start = 0.0  # type: ignore[assignment]
    weight.zero_()


class OfWeights(nn.Module):
    """A normalization of weights on its way to its convolution; `convolution_and_norm` and `hand_over` bring it there.

    `output` follows the convolution. Without gamma, weights are standardized and not scaled.
    """

    def __init__(self, output: nn.Module, gamma: float | None = None) -> None:
        super().__init__()
        self.output, self.gamma = output, gamma

    def standardize(self, convolution: nn.Conv2d) -> None:
        """Make a convolution standardize its weights.

        Raises UserError for one of a library's or user's own class, and for one weight per output channel, which is 0
        without its mean.
        """
        if type(convolution) is not nn.Conv2d:
            raise UserError(
                f"weight standardization is for nn.Conv2d, and this model has a {type(convolution).__name__}; "
                "take another normalization"
            )
        if convolution.weight[0].numel() == 1:
            raise UserError(
                "weight standardization leaves nothing of a convolution with one weight per output channel, and this "
                "model has one; take a larger kernel (of convnext: model.patch), or another normalization"
            )
        convolution.__class__ = StandardizedConvolution
        scale = 1.0 if self.gamma is None else self.gamma / convolution.weight[0].numel() ** 0.5
        cast(StandardizedConvolution, convolution).scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Raises UserError: the weights of the convolution before it are not standardized."""
        raise UserError(
            "weight standardization is part of a convolution, and this model builds its own; let it take "
            "bench.parts.model.layer.convolution_and_norm, or another normalization"
        )


class StandardizedConvolution(nn.Conv2d):
    """A convolution by `scale` (w - mean) / std, mean and std of the weights of each output channel."""

    scale: float

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        weight = self.weight
        variance, mean = torch.var_mean(weight, (1, 2, 3), correction=0, keepdim=True)
        least = SMALLEST / weight[0].numel()  # as in DeepMind's code: without an effect on weights of any usual law
        standard = (weight - mean) * (self.scale * variance.clamp_min(least).rsqrt())
        out: Tensor = self._conv_forward(x, standard, self.bias)
        return out


class ScaleAndShift(nn.Module):
    """A learned factor and a learned bias per channel: what is left of a normalization without statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return x * self.weight[:, None, None] + self.bias[:, None, None]


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
