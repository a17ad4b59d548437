"""A convolution as a matrix product is the same sums: values, gradients and weights are those of nn.Conv2d."""

import copy
import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.train import small_maps
from bench.train.contract import task_of
from bench.train.small_maps import Convolution, with_products


class Derived(nn.Conv2d):
    """A user's own convolution."""


@pytest.fixture
def products(monkeypatch):
    """The shapes on which a product was taken."""
    taken, reach = [], small_maps.reach
    monkeypatch.setattr(small_maps, "reach", lambda size, *rest: taken.append(size) or reach(size, *rest))
    return taken


def case_of(seed):
    """A convolution with settings of any kind, and images that it can be applied to."""
    drawn = random.Random(seed)
    kernel, stride, padding, dilation = (
        (drawn.randint(*bounds), drawn.randint(*bounds)) for bounds in ((1, 3), (1, 3), (0, 2), (1, 2))
    )
    channels, out = drawn.randint(1, 4), drawn.randint(1, 4)
    size = [
        drawn.randint(max(1, apart * (taps - 1) + 1 - 2 * around), 6)
        for taps, around, apart in zip(kernel, padding, dilation, strict=True)
    ]
    torch.manual_seed(seed)
    layer = nn.Conv2d(channels, out, kernel, stride, padding, dilation, bias=drawn.random() < 0.5)
    return layer.double(), torch.randn(drawn.randint(1, 3), channels, *size, dtype=torch.float64)


def outcome(layer, images):
    """Values, and the gradients of images and parameters."""
    images = images.clone().requires_grad_()
    values = layer(images)
    values.sin().sum().backward()
    return [values.detach(), images.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("seed", range(60))
def test_values_and_gradients_are_those_of_torch(seed):
    layer, images = case_of(seed)
    ours = with_products(copy.deepcopy(layer))
    assert isinstance(ours, Convolution)
    for mine, its in zip(outcome(ours, images), outcome(layer, images), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("height", "width", "taken"), [(1, 1, True), (2, 2, True), (2, 4, True), (3, 3, False)])
def test_a_product_is_taken_where_there_are_fewer_pixels_than_taps(products, height, width, taken):
    layer = with_products(nn.Conv2d(2, 3, 3, padding=1))
    layer(torch.zeros(1, 2, height, width))
    assert products == [(height, width)] * taken


def test_the_output_keeps_channels_last_in_memory():
    layer = with_products(nn.Conv2d(8, 16, 3, padding=1))
    assert layer(torch.zeros(4, 8, 2, 2)).is_contiguous(memory_format=torch.channels_last)


def test_an_image_that_is_no_batch_goes_through_as_it_does_through_torch():
    layer = with_products(nn.Conv2d(2, 3, 3, padding=1))
    assert layer(torch.zeros(2, 2, 2)).shape == (3, 2, 2)


def test_autocast_has_the_product_in_its_numbers():
    layer = with_products(nn.Conv2d(2, 3, 3, padding=1))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.zeros(1, 2, 2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(2, 2, 3, padding="same"),
        Derived(2, 2, 3),
        nn.Conv1d(2, 2, 3),
    ],
)
def test_what_is_no_plain_convolution_stays_as_it_is(layer):
    kind = type(layer)
    assert type(with_products(nn.Sequential(layer))[0]) is kind


def test_a_run_on_small_images_takes_products_with_the_weights_that_were_drawn(runs_of, machine, products):
    [run] = runs_of("dataset=digits", "model=resnet8")
    _, model, _ = task_of(run).prepare(run, machine)
    assert all(isinstance(one, Convolution) for one in model.modules() if isinstance(one, nn.Conv2d))
    images = torch.randn(2, 1, 8, 8)
    logits = model.eval()(images)
    assert products == [(2, 2)]
    for module in model.modules():
        if isinstance(module, Convolution):
            module.__class__ = nn.Conv2d
    torch.testing.assert_close(logits, model(images))
    assert products == [(2, 2)]


def test_reach_is_one_pixel_for_each_tap_that_is_not_on_padding():
    size, taps = small_maps.reach((2, 2), (3, 3), (1, 1), (1, 1), (1, 1))
    assert size == (2, 2)
    assert taps.shape == (4, 9, 4)
    assert taps.sum() == F.conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3), padding=1).sum()
