"""The variants of the CIFAR ResNets have the published architecture: parameters, order of layers, joins."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import catalogue, initialize
from bench.parts.activation import relu, tanh
from bench.parts.initializer.roles import branches, roles
from bench.parts.model.block import FORMS
from bench.parts.model.squeeze import SqueezeExcitation
from bench.parts.normalization import batch, none
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("model")
NORMALIZATIONS = catalogue.options("normalization")
SMALL: dict[str, dict[str, Any]] = {  # a small net of each variant
    "preact_resnet20": {"depth": 8, "width": 8},
    "preact_resnet164": {"depth": 11, "width": 8},
    "resnet164": {"depth": 11, "width": 8},
    "se_resnet20": {"depth": 8, "width": 8, "reduction": 4},
    "wrn16_8": {"depth": 10, "widen": 1},
    "resnext29_8x64d": {"depth": 11, "cardinality": 2, "base_width": 8},
}
COUNTS = {  # for images of three channels and ten classes, with batch normalization
    "preact_resnet20": 272_282,
    "preact_resnet110": 1_730_522,  # 1.7M in the paper, as 164
    "preact_resnet164": 1_703_258,
    "resnet164": 1_704_154,
    "se_resnet20": 274_847,
    "se_resnet110": 1_744_952,
    "wrn16_8": 10_961_370,  # 11.0M in the paper
    "wrn28_10": 36_479_194,  # 36.5M
    "wrn40_4": 8_949_210,  # 8.9M
    "resnext29_8x64d": 34_426_698,  # 34.4M
    "resnext29_16x64d": 68_155_210,  # 68.1M
}


def build(name: str, norm=batch, residual: str = "sum", activation=relu, shape=(1, 8, 8), **changed: Any) -> nn.Module:
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    return find("model", OPTIONS[name]["function"])(shape, 10, activation, norm, residual, **arguments)


def small(name: str, norm=batch, residual: str = "sum", **changed: Any) -> nn.Module:
    torch.manual_seed(0)
    return build(name, norm, residual, **SMALL[name] | changed)


def normalization(name: str) -> Callable[[int], nn.Module]:
    option = NORMALIZATIONS[name]
    return partial(find("normalization", option["function"]), **catalogue.arguments(option))


def images(*shape: int) -> Tensor:
    return torch.randn(*shape or (4, 1, 8, 8), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", COUNTS)
def test_a_variant_has_the_published_number_of_parameters(name):
    with torch.device("meta"):
        net = build(name, shape=(3, 32, 32))
    assert sum(parameter.numel() for parameter in net.parameters()) == COUNTS[name]


@pytest.mark.parametrize("norm", NORMALIZATIONS)
@pytest.mark.parametrize("name", SMALL)
def test_every_variant_takes_every_normalization_and_its_gradient_reaches_every_parameter(name, norm):
    net = small(name, normalization(norm), activation=tanh)
    F.cross_entropy(net(images()), torch.arange(4)).backward()
    assert [key for key, one in net.named_parameters() if not one.grad.any()] == []


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 15, 15), (4, 9, 13)])
@pytest.mark.parametrize("name", SMALL)
def test_every_shape_gives_one_logit_per_class(name, shape):
    assert small(name, shape=shape)(images(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("norm", [batch, none])
@pytest.mark.parametrize("name", SMALL)
def test_convolutions_have_a_bias_only_without_normalization(name, norm):
    found = [module for module in small(name, norm).modules() if isinstance(module, nn.Conv2d)]
    assert {one.bias is not None for one in found} == {norm is none}


@pytest.mark.parametrize("name", SMALL)
def test_every_branch_is_found_with_its_layers(name):
    net = small(name)
    kernels = 3 if hasattr(net.layer1[0], "conv3") else 2
    assert [len(one.layers) for one in branches(net)] == [kernels] * 3
    assert roles(net)["linear"] == "classifier"
    assert roles(net)["conv1"] == "stem"


# Pre-activation


def standard(norm: nn.Module, x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)


@pytest.mark.parametrize("name", ["preact_resnet20", "preact_resnet164", "wrn16_8"])
def test_norm_and_activation_come_before_each_convolution(name):
    net = small(name, activation=tanh, depth={"preact_resnet20": 14, "preact_resnet164": 20, "wrn16_8": 16}[name])
    block = net.layer2[1]
    x = branch = images(4, block.conv1.in_channels, 4, 4)
    for index in range(1, block.count + 1):
        norm, conv = getattr(block, f"norm{index}"), getattr(block, f"conv{index}")
        branch = F.conv2d(torch.tanh(standard(norm, branch)), conv.weight, padding=conv.padding)
    torch.testing.assert_close(block(x), x + branch)


def test_where_the_shape_changes_the_shortcut_sees_the_activation():
    block = small("preact_resnet20", activation=tanh).layer2[0]
    x = images(4, 8, 8, 8)
    activated = torch.tanh(standard(block.norm1, x))
    inner = torch.tanh(standard(block.norm2, F.conv2d(activated, block.conv1.weight, stride=2, padding=1)))
    shortcut = F.conv2d(activated, block.shortcut.weight, stride=2)
    torch.testing.assert_close(block(x), shortcut + F.conv2d(inner, block.conv2.weight, padding=1))


def test_the_first_block_activates_before_it_splits_and_the_last_sum_is_activated():
    net = small("preact_resnet20", activation=tanh)
    for block in (net.layer1[0], net.layer2[0], net.layer3[0]):
        nn.init.zeros_(block.conv2.weight)
    x = torch.tanh(standard(net.layer1[0].norm1, net.conv1(images())))
    for block in (net.layer2[0], net.layer3[0]):
        x = F.conv2d(torch.tanh(standard(block.norm1, x)), block.shortcut.weight, stride=2)
    expected = net.linear(torch.tanh(standard(net.norm, x)).mean((2, 3)))
    torch.testing.assert_close(net(images()), expected)


def test_without_its_branches_a_pre_activation_block_is_its_input():
    block, x = small("preact_resnet20", depth=14).layer1[1], images(4, 8, 8, 8)
    nn.init.zeros_(block.conv2.weight)
    assert torch.equal(block(x), x)


def test_zero_gamma_is_refused_where_a_layer_ends_the_branch():
    with pytest.raises(UserError, match=r"ends a residual branch, and layer1\.0 has none"):
        initialize(small("preact_resnet20"), "zero_gamma")


@pytest.mark.parametrize(
    ("residual", "formula"),
    [
        ("sum", lambda x, f: x + f),
        ("scalar", lambda x, f: x + 0.3 * f),
        ("rezero", lambda x, f: x + 0.3 * f),
        ("average", lambda x, f: (x + f) / 2**0.5),
    ],
)
def test_a_pre_activation_block_joins_its_branch_by_its_formula(residual, formula):
    block, x = small("preact_resnet20", none, residual, depth=14).layer2[1], images(4, 16, 4, 4)
    if hasattr(block, "alpha"):
        nn.init.constant_(block.alpha.value, 0.3)
    branch = block.conv2(torch.relu(block.conv1(torch.relu(x))))
    torch.testing.assert_close(block(x), formula(x, branch))


@pytest.mark.parametrize("residual", sorted({*FORMS} - {"fixup"}))
@pytest.mark.parametrize("name", SMALL)
def test_every_variant_has_every_form_of_residual_but_fixups(name, residual):
    assert small(name, none, residual)(images()).isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_the_form_of_fixup_is_refused_with_the_models_that_have_it(name):
    with pytest.raises(UserError, match=r"residual=fixup is not for this model: Fixup's numbers .*model=resnet110, "):
        small(name, none, "fixup")


# Bottlenecks, groups, squeeze-and-excitation


@pytest.mark.parametrize(("name", "groups"), [("resnet164", 1), ("resnext29_8x64d", 2)])
def test_a_bottleneck_strides_and_has_its_groups_in_its_3x3_convolution(name, groups):
    block = small(name).layer2[0]
    convolutions = [block.conv1, block.conv2, block.conv3]
    assert [one.kernel_size[0] for one in convolutions] == [1, 3, 1]
    assert [one.stride[0] for one in convolutions] == [1, 2, 1]
    assert [one.groups for one in convolutions] == [1, groups, 1]


def test_squeeze_and_excitation_multiplies_each_channel_with_a_number_from_all_means():
    gate, x = SqueezeExcitation(8, 4, relu), images(2, 8, 5, 5)
    means = x.mean((2, 3))
    weights = torch.sigmoid(gate.excite(torch.relu(gate.squeeze(means))))
    torch.testing.assert_close(gate(x), x * weights[:, :, None, None])
    assert gate.squeeze.out_features == 2
    assert SqueezeExcitation(8, 16, relu).squeeze.out_features == 1


def test_squeeze_and_excitation_is_no_layer_of_its_branch():
    found = roles(small("se_resnet20"))
    assert found["layer1.0.conv2"] == "last"
    assert found["layer1.0.gate.squeeze"] == found["layer1.0.gate.excite"] == "other"


@pytest.mark.parametrize("name", ["resnet164", "se_resnet20", "resnext29_8x64d"])
@pytest.mark.parametrize("initializer", ["he_normal", "torch_default", "lsuv"])
def test_with_zero_init_residual_every_initializer_starts_each_block_as_its_shortcut(name, initializer):
    net = small(name, zero_init_residual=True)
    initialize(net, initializer, batch=images())
    for block in (net.layer1[0], net.layer3[0]):
        last = getattr(block, f"norm{block.count}")
        assert not last.weight.any()
        assert (block.norm1.weight == 1).all()
        x = images(4, block.conv1.in_channels, 4, 4)
        torch.testing.assert_close(block(x), torch.relu(block.shortcut(x)))


def test_zero_init_residual_without_a_weight_to_set_is_refused_with_a_way_out():
    with pytest.raises(UserError, match=r"has none; take normalization=batch, or model.zero_init_residual=false"):
        small("se_resnet20", none, zero_init_residual=True)


@pytest.mark.parametrize(
    ("name", "depth", "sentence"),
    [
        ("preact_resnet20", 29, r"depth 29 is not 6n\+2 with n >= 1; the nearest depths are 26 and 32"),
        ("preact_resnet164", 21, r"depth 21 is not 9n\+2 with n >= 1; the nearest depths are 20 and 29"),
        ("resnet164", 2, r"depth 2 is not 9n\+2 with n >= 1; the nearest depths are 11 and 20"),
        ("wrn16_8", 20, r"depth 20 is not 6n\+4 with n >= 1; the nearest depths are 16 and 22"),
        ("resnext29_8x64d", 30, r"depth 30 is not 9n\+2 with n >= 1; the nearest depths are 29 and 38"),
    ],
)
def test_a_depth_that_does_not_exist_is_refused_with_the_nearest(name, depth, sentence):
    with pytest.raises(UserError, match=sentence):
        small(name, depth=depth)
