"""ConvNeXts have timm's sizes, and take small images and any normalization."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import catalogue, initialize
from bench.parts.activation import gelu
from bench.parts.initializer.roles import branches, roles
from bench.registry import find
from bench.schema import UserError

OPTION = catalogue.options("model")["convnext_femto"]
NORMALIZATIONS = catalogue.options("normalization")
SMALL = {"depths": [1, 1, 2, 1], "widths": [8, 8, 16, 16], "layer_scale": 0.1}


def normalization(name: str) -> Callable[[int], nn.Module]:
    option = NORMALIZATIONS[name]
    return partial(find("normalization", option["function"]), **catalogue.arguments(option))


def build(
    shape=(1, 8, 8), norm: str = "layer2d", classes: int = 10, residual: str = "sum", **changed: Any
) -> nn.Module:
    torch.manual_seed(0)
    arguments = catalogue.arguments(OPTION) | changed
    return find("model", OPTION["function"])(shape, classes, partial(gelu), normalization(norm), residual, **arguments)


def images(*shape: int) -> Tensor:
    return torch.randn(*shape or (4, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def test_with_patches_of_four_the_number_of_parameters_is_timms():
    with torch.device("meta"):
        net = build((3, 64, 64), classes=1000, patch=4)
    assert sum(parameter.numel() for parameter in net.parameters()) == 5_217_784


@pytest.mark.parametrize("norm", sorted({*NORMALIZATIONS} - {"instance"}))
def test_it_takes_every_normalization_and_its_gradient_reaches_every_parameter(norm):
    net = build((2, 8, 8), norm, **SMALL)
    F.cross_entropy(net(images(4, 2, 8, 8)), torch.arange(4)).backward()
    assert [key for key, one in net.named_parameters() if not one.grad.any()] == []


def test_the_norm_of_one_pixel_at_its_end_takes_no_instance_normalization():
    with pytest.raises(UserError, match="leaves nothing of a map of one pixel"):
        build((1, 32, 32), norm="instance", **SMALL)(images(4, 1, 32, 32))


def test_a_block_is_its_formula():
    block, x = build(**SMALL).layer3[2], images(2, 16, 6, 6)
    inner = F.conv2d(x, block.depthwise.weight, block.depthwise.bias, padding=3, groups=16)
    inner = F.layer_norm(inner.movedim(1, -1), (16,), block.norm.weight, block.norm.bias, 1e-6)
    inner = F.gelu(F.linear(inner, block.conv1.weight.flatten(1), block.conv1.bias))
    inner = F.linear(inner, block.conv2.weight.flatten(1), block.conv2.bias).movedim(-1, 1)
    torch.testing.assert_close(block(x), x + 0.1 * inner)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 15, 15), (4, 9, 13)])
def test_every_shape_gives_one_logit_per_class(shape):
    assert build(shape, **SMALL)(images(2, *shape)).shape == (2, 10)


def test_images_too_small_for_the_patches_are_refused_with_a_way_out():
    with pytest.raises(
        UserError, match=r"patches of 2 pixels .* need images of 16 .*have 8x9; take a smaller model.patch"
    ):
        build((1, 8, 9), patch=2)


def test_another_form_of_residual_is_refused():
    with pytest.raises(UserError, match="residual=scalar is not for this model"):
        build(residual="scalar")


@pytest.mark.parametrize("name", ["he_normal", "torch_default"])
def test_every_initializer_starts_the_scale_of_each_channel_where_the_model_says(name):
    net = build(**SMALL)
    nn.init.constant_(net.layer3[2].scale.value, 7)
    initialize(net, name)
    assert all((block.scale.value == torch.tensor(0.1)).all() for block in net.layer3[2:])


def test_a_block_is_a_branch_of_three_layers():
    net = build(**SMALL)
    assert [len(one.layers) for one in branches(net)] == [3] * 5
    found = roles(net)
    assert [found[f"layer1.0.{part}"] for part in ("depthwise", "conv1", "conv2")] == ["first", "middle", "last"]
