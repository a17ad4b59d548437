"""Each normalization does to a batch what its name says, in a new module at each call."""

from functools import partial

import pytest
import torch
from torch import nn

from bench import catalogue
from bench.parts.initializer.norms import is_norm
from bench.parts.normalization import LayerNorm2d
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
    assert build(CHANNELS)(images()).shape == images().shape


@pytest.mark.parametrize("name", sorted({*OPTIONS} - {"none"}))
def test_initializers_know_each_normalization_as_a_norm(name):
    assert is_norm(function(name)(CHANNELS))
