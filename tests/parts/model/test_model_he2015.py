"""The plain nets of He et al. 2015 have their layers, for every shape and normalization."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import catalogue, initialize
from bench.parts.activation import relu, tanh
from bench.parts.initializer.layers import layers
from bench.parts.initializer.roles import branches
from bench.parts.model.he2015 import pyramid
from bench.parts.normalization import none
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("model")
NORMALIZATIONS = catalogue.options("normalization")
NAMES = ["he2015_22", "he2015_30"]


def build(name: str, shape=(1, 8, 8), norm=none, activation=relu, residual="sum", **changed: Any) -> nn.Module:
    torch.manual_seed(0)
    arguments = catalogue.arguments(OPTIONS[name]) | {"width_multiplier": 0.05} | changed
    return find("model", OPTIONS[name]["function"])(shape, 10, activation, norm, residual, **arguments)


def normalization(name: str) -> Callable[[int], nn.Module]:
    option = NORMALIZATIONS[name]
    return partial(find("normalization", option["function"]), **catalogue.arguments(option))


def images(*shape: int) -> Tensor:
    return torch.randn(*shape or (4, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def full(name: str) -> nn.Module:
    """The paper's net, for 1,000 classes of images of 224 pixels."""
    option = OPTIONS[name]
    with torch.device("meta"):
        return find("model", option["function"])(
            (3, 224, 224), 1000, relu, none, "sum", depth=option["depth"], stem="imagenet", width_multiplier=1.0
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_name_counts_the_weight_layers(name):
    assert f"he2015_{len(list(layers(build(name))))}" == name
    assert branches(build(name)) == []


@pytest.mark.parametrize(
    ("name", "kernels", "channels", "size"),
    [
        ("he2015_22", [7] + [3] * 18, [96] + [256] * 6 + [512] * 12, 14),
        ("he2015_30", [7] + [2] * 26, [64] + [128] * 4 + [256] * 22, 19),
    ],
)
def test_at_full_size_the_layers_are_the_papers(name, kernels, channels, size):
    net = full(name)
    found = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert [one.kernel_size[0] for one in found] == kernels
    assert [one.out_channels for one in found] == channels
    assert [one.out_features for one in net.classifier if isinstance(one, nn.Linear)] == [4096, 4096, 1000]
    assert net.features(torch.empty(1, 3, 224, 224, device="meta")).shape[-2:] == (size, size)


def test_the_pyramid_of_22_layers_has_63_bins():
    assert full("he2015_22").classifier[0].in_features == 63 * 512


def test_a_level_of_the_pyramid_has_the_maxima_of_its_windows():
    x = images(2, 3, 6, 5)
    whole, quarters = x.amax((2, 3)), torch.stack([x[..., a : a + 3, b : b + 3] for a in (0, 3) for b in (0, 2)])
    expected = torch.cat([quarters.amax((3, 4)).permute(1, 2, 0).flatten(1), whole], 1)
    assert torch.equal(pyramid(x, [2, 1]), expected)


@pytest.mark.parametrize(("size", "levels"), [(4, [1]), (8, [2, 1]), (12, [3, 2, 1]), (32, [7, 3, 2, 1])])
def test_levels_that_are_finer_than_the_last_maps_are_left_out(size, levels):
    net = build("he2015_22", (1, size, size))
    assert net.levels == levels
    assert net(images(2, 1, size, size)).shape == (2, 10)


def test_convolutions_of_2x2_pixels_keep_the_size_in_pairs():
    net, sizes = build("he2015_30", (1, 16, 16)), []
    for module in net.features:
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    net(images(2, 1, 16, 16))
    assert sizes == [16] + [17, 16] * 2 + [9, 8] * 11


@pytest.mark.parametrize("norm", NORMALIZATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_normalization_trains(name, norm):
    net = build(name, (1, 16, 16), normalization(norm), tanh)
    F.cross_entropy(net(images(4, 1, 16, 16)), torch.arange(4)).backward()
    assert [key for key, one in net.named_parameters() if not one.grad.any()] == []


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 15, 15), (4, 9, 13)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("name", NAMES)
def test_every_shape_gives_one_logit_per_class(name, stem, shape):
    assert build(name, shape, stem=stem)(images(2, *shape)).shape == (2, 10)


def test_at_30_layers_he_keeps_the_signal_that_glorot_loses():
    x = images(4, 1, 16, 16)
    nets = [
        initialize(build("he2015_30", (1, 16, 16), width_multiplier=0.25), name)
        for name in ("he_normal", "glorot_uniform")
    ]
    ours, theirs = (net.features(x).square().mean().sqrt() for net in nets)
    assert ours > 0.1
    assert theirs < 1e-3


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"depth": 19}, "he2015 has no depth 19; take 22, 30"),
        ({"stem": "deep"}, "no stem is named 'deep'.*cifar, imagenet"),
        ({"residual": "fixup"}, "residual=fixup is not for this model: a plain net has no residual branches"),
    ],
)
def test_a_net_that_does_not_exist_is_refused_with_the_options(changed, sentence):
    with pytest.raises(UserError, match=sentence):
        build("he2015_22", **changed)
