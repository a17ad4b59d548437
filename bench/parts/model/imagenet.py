"""torchvision's ResNets with the run's activation, normalization and number of channels, and timm's variants of them.

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from typing import Any, cast

from torch import nn

from bench.bounds import Count
from bench.parts.model.layer import (
    Given,
    Normalization,
    add_biases,
    convolution_and_norm,
    hand_over,
    is_none,
    network,
    refuse_other_than_sum,
)
from bench.parts.model.squeeze import SqueezeExcitation
from bench.parts.normalization import start_at_zero
from bench.registry import refuse_unknown
from bench.schema import UserError

LAYERS = {  # blocks of each stage, by depth (He et al. 2016, table 1); 26 is timm's
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
BASIC = (18, 34)  # the depths of blocks of two 3x3 convolutions
DEPTHS = (18, 34, 50, 101, 152)  # torchvision's
STEM = 64  # channels
STEMS: dict[str, tuple[tuple[int, int, int], ...]] = {  # channels, kernel and stride of each convolution
    "cifar": ((STEM, 3, 1),),
    "imagenet": ((STEM, 7, 2),),
    "deep": ((32, 3, 2), (32, 3, 1), (STEM, 3, 1)),
    "deep_tiered": ((24, 3, 2), (32, 3, 1), (STEM, 3, 1)),
}


@network
def torchvision_resnet(given: Given, *, depth: int, stem: str) -> nn.Module:
    """torchvision's ResNet of depth 18, 34, 50, 101 or 152 (He et al. 2016, table 1; the 3x3 convolutions stride).

    Stem "imagenet" is the original (7x7 convolution of stride 2, max-pool), "cifar" is a 3x3 convolution of stride 1
    and no pool. Each block has an activation module of its own; within a block its two or three uses share it, as in
    torchvision. Raises UserError for another depth or stem, or another residual than "sum".
    """
    if depth not in DEPTHS:
        raise UserError(f"torchvision_resnet has no depth {depth}; take {', '.join(map(str, DEPTHS))}")
    usual = {"groups": 1, "width_per_group": 64, "avg_down": False, "reduction": None, "zero_init_residual": False}
    return imagenet_resnet(*given, depth=depth, stem=stem, **usual)


@network
def imagenet_resnet(
    given: Given,
    *,
    depth: int,
    groups: Count,
    width_per_group: Count,
    stem: str,
    avg_down: bool,
    reduction: Count | None,
    zero_init_residual: bool,
) -> nn.Module:
    """torchvision's ResNet with the arguments of its ResNeXts and wide ResNets, and timm's stems and downsampling.

    groups, width_per_group: of the 3x3 convolutions of bottlenecks (Xie et al. 2017, Zagoruyko & Komodakis 2016).
    stem: "cifar" and "imagenet" as in `torchvision_resnet`; "deep" and "deep_tiered" are three 3x3 convolutions of 32,
        32, 64 and 24, 32, 64 channels (He et al. 2019; timm's stem_width is 32).
    avg_down: a shortcut averages 2x2 pixels, and its 1x1 convolution does not stride (He et al. 2019, ResNet-D).
    reduction: of the channels in squeeze-and-excitation at the end of each branch (Hu et al. 2018); null for none.
    zero_init_residual: the last normalization of each branch starts at weight 0 (Goyal et al. 2017).

    Depth 26 is timm's, of two bottlenecks a stage. Raises UserError for another depth or stem, another residual than
    "sum", groups in blocks of two convolutions, and zero_init_residual with a normalization without a weight.
    """
    if depth not in LAYERS:
        raise UserError(f"imagenet_resnet has no depth {depth}; take {', '.join(map(str, LAYERS))}")
    if depth in BASIC and (groups, width_per_group) != (1, 64):
        raise UserError(
            f"groups={groups} and width_per_group={width_per_group} are for bottlenecks, and the blocks of depth "
            f"{depth} are none; take model.depth=50, or groups=1 and width_per_group=64"
        )
    refuse_other_than_sum(given.residual, "torchvision's ResNets add branch and shortcut")
    refuse_unknown("stem", stem, STEMS)
    from torchvision.models import resnet  # takes a second, for which runs of other models do not wait

    block = resnet.BasicBlock if depth in BASIC else resnet.Bottleneck
    sizes = {"num_classes": given.classes, "groups": groups, "width_per_group": width_per_group}
    net: Any = resnet.ResNet(block, LAYERS[depth], norm_layer=given.normalization, **sizes)
    net.conv1, net.bn1 = stem_and_norm(given, stem)
    if stem == "cifar":
        net.maxpool = nn.Identity()
    blocks = [block for stage in (net.layer1, net.layer2, net.layer3, net.layer4) for block in stage]
    if avg_down:
        _average_shortcuts(blocks, given.normalization)
    hand_over(net)
    if is_none(net.bn1):
        add_biases(net)
    for module in (net, *blocks):
        module.relu = given.activation()
    for block in blocks:
        _end_branch(block, "2" if depth in BASIC else "3", given, reduction, zero_init_residual)
    return cast(nn.Module, net)


def stem_and_norm(given: Given, name: str) -> tuple[nn.Module, nn.Module]:
    """The convolutions of a stem and the norm after the last; there are norms and activations between them."""
    channels, parts = given.shape[0], list[nn.Module]()
    for c_out, kernel, stride in STEMS[name]:
        convolution, norm = convolution_and_norm(channels, c_out, kernel, stride, given.normalization)
        _draw(convolution)
        parts += [convolution, norm, given.activation()]
        channels = c_out
    *inner, norm, _ = parts
    return (nn.Sequential(*inner) if len(inner) > 1 else inner[0]), norm


def averaging_shortcut(c_in: int, c_out: int, stride: int, normalization: Normalization) -> nn.Sequential:
    """A shortcut that changes the shape: it averages pixels before its 1x1 convolution, which has stride 1."""
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, *convolution_and_norm(c_in, c_out, 1, 1, normalization))


def _average_shortcuts(blocks: list[Any], normalization: Normalization) -> None:
    for block in (block for block in blocks if block.downsample is not None):
        strided, _ = block.downsample
        block.downsample = averaging_shortcut(
            strided.in_channels, strided.out_channels, strided.stride[0], normalization
        )
        _draw(block.downsample[1])


def _draw(convolution: nn.Conv2d) -> None:
    """Draw the weights as torchvision's net does."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")


def _end_branch(block: Any, number: str, given: Given, reduction: int | None, zero_init_residual: bool) -> None:
    """Let the last convolution and norm of a branch, which have this number, end as the arguments of the net ask."""
    norm = block.get_submodule(f"bn{number}")
    if zero_init_residual:
        start_at_zero(norm)
    if reduction is not None:
        channels = block.get_submodule(f"conv{number}").out_channels
        gate = SqueezeExcitation(channels, reduction, given.activation)
        block.add_module(f"bn{number}", nn.Sequential(norm, gate))
