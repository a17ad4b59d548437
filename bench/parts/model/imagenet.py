"""torchvision's ResNets with the run's activation, normalization and number of channels.

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from torch import nn

from bench.parts.model.layer import (
    Activation,
    Normalization,
    Shape,
    add_biases,
    convolution_and_norm,
    hand_over,
    is_none,
    refuse_other_than_sum,
)
from bench.registry import model, unknown
from bench.schema import UserError

DEPTHS = (18, 34, 50)
STEMS = ("cifar", "imagenet")


@model
def torchvision_resnet(
    shape: Shape,
    classes: int,
    activation: Activation,
    normalization: Normalization,
    residual: str,
    *,
    depth: int,
    stem: str,
) -> nn.Module:
    """torchvision's ResNet of depth 18, 34 or 50 (He et al. 2016, table 1; in 50 the 3x3 convolutions stride).

    Stem "imagenet" is the original (7x7 convolution of stride 2, max-pool), "cifar" is a 3x3 convolution of stride 1
    and no pool. Each block has an activation module of its own; within a block its two or three uses share it, as in
    torchvision. Raises UserError for another depth or stem, or another residual than "sum".
    """
    from torchvision import models  # takes a second, for which runs of other models do not wait

    refuse_other_than_sum(residual, "torchvision's ResNets add branch and shortcut")
    if depth not in DEPTHS:
        raise UserError(f"torchvision_resnet has no depth {depth}; take {', '.join(map(str, DEPTHS))}")
    if stem not in STEMS:
        raise UserError(unknown("stem", stem, STEMS))
    net = getattr(models, f"resnet{depth}")(num_classes=classes, norm_layer=normalization)
    kernel, stride = (3, 1) if stem == "cifar" else (7, 2)
    net.conv1, net.bn1 = convolution_and_norm(shape[0], net.conv1.out_channels, kernel, stride, normalization)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision draws its own
    if stem == "cifar":
        net.maxpool = nn.Identity()
    hand_over(net)
    if is_none(net.bn1):
        add_biases(net)
    return _with_activations(net, activation)


def _with_activations(net: nn.Module, activation: Activation) -> nn.Module:
    """The net with new activation modules: one for the stem and one for each block."""
    for module in net.modules():
        if hasattr(module, "relu"):
            module.relu = activation()
    return net
