"""Each normalization does to a batch what its name says, in a new module at each call."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench import catalogue
from bench.parts.initializer.norms import is_norm
from bench.parts.model.layer import convolution_and_norm, hand_over
from bench.parts.normalization import LayerNorm2d, ScaleAndShift, StandardizedConvolution
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("normalization")
CHANNELS = 16
OVER = {  # the axes of (N, C, H, W) over which a normalization takes mean and variance
    "batch": (0, 2, 3),
    "layer": (1, 2, 3),
    "layer2d": (1,),
    "instance": (2, 3),
}


def function(name: str, **changed):
    return partial(find("normalization", OPTIONS[name]["function"]), **catalogue.arguments(OPTIONS[name]) | changed)


def images() -> torch.Tensor:
    return 3 + 2 * torch.randn(16, CHANNELS, 4, 4, generator=torch.Generator().manual_seed(0))


def net_of(name: str) -> nn.Sequential:
    """A convolution and what follows it."""
    return nn.Sequential(*convolution_and_norm(CHANNELS, CHANNELS, 3, 1, function(name)))


def assert_standard(out: torch.Tensor, axes: tuple[int, ...]) -> None:
    mean, variance = out.mean(axes), out.var(axes, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-5)
    torch.testing.assert_close(variance, torch.ones_like(variance), rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", OVER)
def test_a_normalization_makes_values_standard_over_its_axes_and_over_no_fewer(name):
    out = function(name)(CHANNELS)(images())
    assert_standard(out, OVER[name])
    for axes in (axes for axes in OVER.values() if not {*axes} >= {*OVER[name]}):
        with pytest.raises(AssertionError):
            assert_standard(out, axes)


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_group_normalization_makes_each_group_of_an_image_standard(groups):
    out = function("group", groups=groups)(CHANNELS)(images())
    assert_standard(out.unflatten(1, (groups, -1)), (2, 3, 4))


@pytest.mark.parametrize("name", [*OVER, "group"])
def test_a_scale_and_a_shift_per_channel_are_learned(name):
    norm, out = function(name)(CHANNELS), function(name)(CHANNELS)(images())
    nn.init.constant_(norm.weight, 3.0)
    with torch.no_grad():
        norm.bias[1] = 5.0
    expected = 3 * out
    expected[:, 1] += 5
    torch.testing.assert_close(norm(images()), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layer_norm_of_images_is_that_of_channels_last(layout):
    x, norm = images().contiguous(memory_format=layout), LayerNorm2d(CHANNELS)
    nn.init.uniform_(norm.weight)
    expected = nn.functional.layer_norm(x.movedim(1, -1), (CHANNELS,), norm.weight, norm.bias).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected)
    assert norm(x).shape == x.shape


def test_none_changes_nothing_and_has_nothing_to_learn():
    module = function("none")(CHANNELS)
    assert torch.equal(module(images()), images())
    assert not list(module.parameters())


def test_channels_that_do_not_split_are_refused_with_the_numbers_that_do():
    with pytest.raises(
        UserError, match=r"12 channels, not a multiple of normalization.groups=8; it takes 1, 2, 3, 4, 6, 12"
    ):
        function("group")(12)


def test_instance_normalization_of_one_pixel_is_refused_with_a_way_out():
    norm = function("instance")(CHANNELS)
    assert norm(images()[..., :1, :2]).isfinite().all()
    with pytest.raises(UserError, match=r"nothing of a map of one pixel.*normalization=group"):
        norm(images()[..., :1, :1])


@pytest.mark.parametrize("name", OPTIONS)
def test_each_call_gives_a_new_module_for_the_channels(name):
    build = function(name)
    assert build(CHANNELS) is not build(CHANNELS)
    assert net_of(name)(images()).shape == images().shape


@pytest.mark.parametrize("name", sorted({*OPTIONS} - {"none"}))
def test_initializers_know_each_normalization_as_a_norm(name):
    assert is_norm(net_of(name)[1])


# Normalization of weights


def convolution(name: str, groups: int = 1, **changed) -> tuple[nn.Conv2d, nn.Module]:
    torch.manual_seed(0)
    conv, output = convolution_and_norm(CHANNELS, 8, 3, 1, function(name, **changed), groups)
    nn.init.normal_(conv.weight, 0.3, 0.2)
    return conv, output


def standardized(weight: torch.Tensor) -> torch.Tensor:
    mean, std = weight.mean((1, 2, 3), keepdim=True), weight.std((1, 2, 3), correction=0, keepdim=True)
    return (weight - mean) / std


OF_WEIGHTS = ["weight_standardization", "weight_standardization_group", "scaled_weight_standardization"]
FACTORS = {"scaled_weight_standardization": lambda n_in: n_in**-0.5}


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_a_convolution_standardizes_the_weights_of_each_output_channel(name, groups):
    conv, _ = convolution(name, groups)
    factor = FACTORS.get(name, lambda n_in: 1.0)(conv.weight[0].numel())
    expected = F.conv2d(images(), factor * standardized(conv.weight), padding=1, groups=groups)
    torch.testing.assert_close(conv(images()), expected, rtol=1e-4, atol=1e-4)
    assert conv.bias is None


def test_gamma_multiplies_the_scaled_weights():
    one, other = (convolution("scaled_weight_standardization", gamma=gamma)[0](images()) for gamma in (1.0, 1.7))
    torch.testing.assert_close(other, 1.7 * one)


def test_scaled_weights_keep_the_variance_of_independent_inputs():
    torch.manual_seed(0)
    conv, output = convolution_and_norm(64, 512, 3, 1, function("scaled_weight_standardization"))
    out = output(conv(torch.randn(4, 64, 16, 16)))[..., 1:-1, 1:-1]
    assert out.var().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("weight_standardization", nn.BatchNorm2d),
        ("weight_standardization_group", nn.GroupNorm),
        ("scaled_weight_standardization", ScaleAndShift),
    ],
)
def test_what_is_left_to_do_to_the_output_follows_the_convolution(name, kind):
    assert type(convolution(name)[1]) is kind


def test_a_gain_and_a_bias_follow_scaled_weights():
    x, module = images(), ScaleAndShift(CHANNELS)
    assert torch.equal(module(x), x)
    with torch.no_grad():
        module.weight[0], module.bias[1] = 3, 5
    expected = torch.cat([3 * x[:, :1], x[:, 1:2] + 5, x[:, 2:]], 1)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_zero_weights_give_zero_and_a_finite_gradient(name):
    conv, _ = convolution(name)
    nn.init.zeros_(conv.weight)
    out = conv(images())
    (out * torch.randn(out.shape)).sum().backward()
    assert not out.any()
    assert conv.weight.grad.isfinite().all()


@pytest.mark.parametrize("std", [1e-3, 1.0, 1e3])
def test_the_scale_of_the_weights_does_not_matter(std):
    conv, _ = convolution("weight_standardization")
    before = conv(images())
    with torch.no_grad():
        conv.weight.mul_(std / conv.weight.std())
    torch.testing.assert_close(conv(images()), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_a_model_that_builds_its_own_convolutions_is_refused(name):
    net = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3), function(name)(CHANNELS))
    with pytest.raises(UserError, match=r"builds its own; let it take bench.parts.model.layer.convolution_and_norm"):
        net(images())


def test_a_net_of_a_library_hands_over_to_all_of_its_convolutions():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), function("weight_standardization_group")(8), nn.Conv2d(8, 8, 1))
    hand_over(net)
    assert [type(module) for module in net] == [StandardizedConvolution, nn.GroupNorm, StandardizedConvolution]


def test_a_convolution_with_one_weight_for_each_output_is_refused():
    with pytest.raises(UserError, match="leaves nothing of a convolution with one weight per output channel"):
        convolution_and_norm(1, 4, 1, 1, function("weight_standardization"))


def test_a_net_of_a_library_with_convolutions_of_its_own_kind_is_refused():
    class Padded(nn.Conv2d):
        """A library's convolution, which may compute something else."""

    net = nn.Sequential(Padded(3, 8, 3), function("weight_standardization")(8))
    with pytest.raises(UserError, match=r"is for nn.Conv2d, and this model has a Padded"):
        hand_over(net)
