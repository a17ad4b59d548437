"""NF-ResNets have timm's parameters, and keep the variance that their constants assume."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import catalogue, initialize
from bench.parts.activation import relu, tanh
from bench.parts.initializer.roles import branches
from bench.parts.normalization import ScaleAndShift, StandardizedConvolution, none
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("model")
NORMALIZATIONS = catalogue.options("normalization")


def normalization(name: str = "scaled_weight_standardization") -> Callable[[int], nn.Module]:
    option = NORMALIZATIONS[name]
    return partial(find("normalization", option["function"]), **catalogue.arguments(option))


def build(
    name: str = "nf_resnet26",
    shape=(1, 8, 8),
    norm=None,
    classes: int = 10,
    activation=relu,
    residual="sum",
    **changed: Any,
) -> nn.Module:
    torch.manual_seed(0)
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    function = find("model", OPTIONS[name]["function"])
    return function(shape, classes, activation, norm or normalization(), residual, **arguments)


def images(*shape: int) -> Tensor:
    return torch.randn(*shape or (4, 1, 16, 16), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "count"), [("nf_resnet26", 15_995_176), ("nf_resnet50", 25_557_032), ("nf_resnet101", 44_549_160)]
)
def test_with_the_stem_of_imagenet_the_number_of_parameters_is_timms(name, count):
    with torch.device("meta"):
        net = build(name, (3, 64, 64), classes=1000, stem="imagenet", zero_init_residual=False)
    assert sum(parameter.numel() for parameter in net.parameters()) == count


@pytest.mark.parametrize("norm", [name for name in NORMALIZATIONS if name != "instance"])
def test_it_takes_every_normalization_and_its_gradient_reaches_every_parameter(norm):
    net = build(norm=normalization(norm), activation=tanh, zero_init_residual=False)
    F.cross_entropy(net(images(4, 1, 8, 8)), torch.arange(4)).backward()
    assert [key for key, one in net.named_parameters() if not one.grad.any()] == []


def test_each_convolution_is_standardized_and_followed_by_its_gain_and_bias():
    net = build(stem="deep")
    found = [type(module) for module in net.modules() if isinstance(module, nn.Conv2d | ScaleAndShift)]
    assert found == [StandardizedConvolution, ScaleAndShift] * (len(found) // 2)


def test_the_expected_variance_grows_by_alpha_squared_a_block_and_starts_again_with_a_stage():
    net = build("nf_resnet50")
    variances = [[round(block.beta**-2, 3) for block in stage] for stage in (net.layer1, net.layer2)]
    assert variances == [[1.0, 1.04, 1.08], [1.12, 1.04, 1.08, 1.12]]


@pytest.mark.parametrize("activation", [relu, tanh, nn.SiLU])
def test_each_block_gets_the_variance_that_it_divides_by(activation):
    net = initialize(build("nf_resnet50", activation=activation, zero_init_residual=False), "he_normal")
    blocks, seen = [*net.layer1, net.layer2[0]], []  # a shortcut that averages noise has a smaller variance
    for block in blocks:
        block.register_forward_pre_hook(lambda block, inputs: seen.append(inputs[0].var().item() * block.beta**2))
    net.layer2[0](net.layer1(net.norm1(net.conv1(images(16, 1, 16, 16)))))
    assert seen == pytest.approx([1.0] * len(blocks), rel=0.15)


def test_a_block_is_its_formula():
    block, x = build(zero_init_residual=False).layer2[1], images(2, 512, 4, 4)
    branch = block.beta * block.activation1(x)
    for index in (1, 2, 3):
        branch = branch if index == 1 else 1.7128585504496627 * torch.relu(branch)
        branch = getattr(block, f"norm{index}")(getattr(block, f"conv{index}")(branch))
    torch.testing.assert_close(block(x), x + 0.2 * branch, rtol=1e-5, atol=1e-5)


def test_where_the_shape_changes_the_shortcut_averages_the_activation():
    block, x = build().layer2[0], images(2, 256, 5, 5)
    pooled = F.avg_pool2d(block.beta * block.activation1(x), 2, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(block(x), block.shortcut[2](block.shortcut[1](pooled)))  # its branch starts at 0


def test_every_initializer_starts_the_last_gain_of_each_branch_at_zero():
    net = initialize(build(), "he_normal")
    assert not any(block.norm3.weight.any() for block in (*net.layer1, *net.layer4))
    assert (net.layer1[0].norm2.weight == 1).all()
    assert [len(one.layers) for one in branches(net)] == [3] * 8


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"depth": 18}, "nf_resnet has no depth 18; take 26, 50, 101"),
        ({"stem": "7x7"}, "no stem is named '7x7'"),
        ({"residual": "scalar"}, "residual=scalar is not for this model: NF-ResNets scale their branches by alpha"),
        ({"norm": none}, r"has none; take normalization=batch, or model.zero_init_residual=false"),
    ],
)
def test_a_net_that_does_not_exist_is_refused_with_the_options(changed, sentence):
    with pytest.raises(UserError, match=sentence):
        build(**changed)
