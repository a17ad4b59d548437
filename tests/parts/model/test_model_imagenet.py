"""The ImageNet ResNets are torchvision's and timm's, with any normalization."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from bench import catalogue, initialize
from bench.parts.activation import relu, tanh
from bench.parts.initializer.roles import branches, roles
from bench.parts.model.squeeze import SqueezeExcitation
from bench.parts.normalization import StandardizedConvolution, batch, none
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("model")
NORMALIZATIONS = catalogue.options("normalization")
COUNTS = {  # of torchvision's and timm's nets for 1,000 classes
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "resnet26d": 16_014_408,
    "resnet50d": 25_576_264,
    "se_resnet50": 28_088_024,
}
TINY = {"depth": 18, "width_per_group": 64, "groups": 1}


def build(
    name: str, shape=(3, 64, 64), norm=batch, classes: int = 10, activation=relu, residual: str = "sum", **changed: Any
) -> nn.Module:
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    return find("model", OPTIONS[name]["function"])(shape, classes, activation, norm, residual, **arguments)


def variant(norm=batch, activation=relu, **changed: Any) -> nn.Module:
    """A net of basic blocks."""
    torch.manual_seed(0)
    return build("resnet50d", (1, 32, 32), norm, activation=activation, **TINY | changed)


def normalization(name: str) -> Callable[[int], nn.Module]:
    option = NORMALIZATIONS[name]
    return partial(find("normalization", option["function"]), **catalogue.arguments(option))


def images(*shape: int) -> Tensor:
    return torch.randn(*shape or (4, 1, 32, 32), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", COUNTS)
def test_with_the_stem_of_imagenet_the_number_of_parameters_is_that_of_the_library(name):
    stem = OPTIONS[name]["stem"]
    with torch.device("meta"):
        net = build(name, classes=1000, stem="imagenet" if stem == "cifar" else stem)
    assert sum(parameter.numel() for parameter in net.parameters()) == COUNTS[name]


@pytest.mark.parametrize("name", [name for name in COUNTS if hasattr(torchvision.models, name)])
def test_with_the_stem_of_imagenet_the_parameters_are_torchvisions(name):
    with torch.device("meta"):
        ours, theirs = build(name, classes=1000, stem="imagenet"), getattr(torchvision.models, name)()
    shapes = [{key: value.shape for key, value in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["resnext50_32x4d", "wide_resnet50_2"])
def test_given_torchvisions_state_a_variant_computes_what_torchvisions_does(name):
    theirs = getattr(torchvision.models, name)(num_classes=10).eval()
    ours = build(name, stem="imagenet").eval()
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(images(2, 3, 64, 64)), theirs(images(2, 3, 64, 64)))


@pytest.mark.parametrize("stem", ["cifar", "imagenet", "deep", "deep_tiered"])
@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_every_stem_takes_every_normalization_and_its_gradient_reaches_every_parameter(norm, stem):
    net = variant(normalization(norm), tanh, stem=stem, reduction=8, avg_down=stem != "cifar")
    size = 32 if norm != "instance" else 64  # 1 pixel is left of 32 in the last stage
    F.cross_entropy(net(images(4, 1, size, size)), torch.arange(4)).backward()
    assert [key for key, one in net.named_parameters() if not one.grad.any()] == []


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_the_first_options_take_every_normalization(name, norm):
    net = build(name, (1, 16, 16), normalization(norm), stem="cifar")
    assert net(images(2, 1, 16, 16)).isfinite().all()


@pytest.mark.parametrize("stem", ["cifar", "deep"])
def test_weight_standardization_is_of_every_convolution(stem):
    net = variant(normalization("weight_standardization_group"), stem=stem)
    found = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert {type(one) for one in found} == {StandardizedConvolution}


@pytest.mark.parametrize(("stem", "channels"), [("deep", [32, 32, 64]), ("deep_tiered", [24, 32, 64])])
def test_a_deep_stem_has_three_convolutions_with_norms_and_activations_between(stem, channels):
    net = variant(activation=tanh, stem=stem)
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.Tanh]
    assert [type(module) for module in net.conv1] == [*kinds, *kinds, nn.Conv2d]
    assert [module.out_channels for module in net.conv1 if isinstance(module, nn.Conv2d)] == channels
    assert net.conv1(images()).shape == (4, 64, 16, 16)


def test_with_avg_down_a_shortcut_averages_pixels_and_does_not_stride():
    pool, convolution, _ = variant().layer2[0].downsample
    assert (pool.kernel_size, pool.stride, convolution.stride) == (2, 2, (1, 1))
    x = images(1, 64, 5, 5)
    assert torch.equal(pool(x)[..., -1, -1], x[..., -1, -1])  # what is past the edge is no part of a mean
    assert isinstance(build("resnet26d").layer1[0].downsample[0], nn.Identity)


def test_squeeze_and_excitation_ends_each_branch_and_is_no_layer_of_it():
    net = variant(reduction=8)
    gates = [module for module in net.modules() if isinstance(module, SqueezeExcitation)]
    assert len(gates) == 8
    assert next(one.layers for one in branches(net)) == [net.layer1[0].conv1, net.layer1[0].conv2]
    assert roles(net)["layer1.0.bn2.1.squeeze"] == "other"


@pytest.mark.parametrize("reduction", [None, 8])
def test_with_zero_init_residual_every_block_starts_as_its_shortcut(reduction):
    net = initialize(variant(zero_init_residual=True, reduction=reduction), "he_normal")
    block, x = net.layer2[0], images(2, 64, 8, 8)
    torch.testing.assert_close(block(x), torch.relu(block.downsample(x)))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"depth": 20}, "imagenet_resnet has no depth 20; take 18, 26, 34, 50, 101, 152"),
        ({"stem": "tiered"}, "no stem is named 'tiered'; did you mean deep_tiered"),
        ({"groups": 32}, r"groups=32 and width_per_group=64 are for bottlenecks.*take model.depth=50"),
        ({"norm": none, "zero_init_residual": True}, "has none; take normalization=batch"),
        ({"residual": "scalar"}, "residual=scalar is not for this model"),
    ],
)
def test_a_net_that_does_not_exist_is_refused_with_the_options(changed, sentence):
    with pytest.raises(UserError, match=sentence):
        variant(**changed)
