"""Weights with a structure: isometries, identities, mirrors, waves and sparse units are what their papers say."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from scipy import linalg, stats
from torch import nn

from bench import catalogue, initialize
from bench.parts.model.cifar import plain
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("initializer")


def initializer(name: str, **changed) -> Callable[..., None]:
    return partial(find("initializer", OPTIONS[name]["function"]), **catalogue.arguments(OPTIONS[name]) | changed)


def filled(name: str, layer: nn.Module, seed: int = 0, **changed) -> nn.Module:
    initializer(name, **changed)(layer, torch.Generator().manual_seed(seed), None)
    return layer


def circular(layer: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The layer's convolution at stride 1 of images that go on at their other edge."""
    kernel = layer.weight.detach().double()
    sizes = kernel.shape[2:]
    padding = [amount for size in reversed(sizes) for amount in (size // 2, size - 1 - size // 2)]
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(sizes)]
    return convolve(F.pad(images, padding, mode="circular"), kernel, groups=layer.groups)


ISOMETRIES = {
    "square": lambda: nn.Conv2d(6, 6, 3),
    "widening": lambda: nn.Conv2d(3, 8, 3),
    "oblong": lambda: nn.Conv2d(4, 5, (3, 5)),
    "even": lambda: nn.Conv2d(4, 4, 2),
    "large": lambda: nn.Conv2d(260, 280, 3),  # more numbers than streams.py draws at once
    "pointwise": lambda: nn.Conv2d(4, 7, 1),
    "line": lambda: nn.Conv1d(4, 6, 5),
    "volume": lambda: nn.Conv3d(2, 3, 3),
    "grouped": lambda: nn.Conv2d(8, 16, 3, groups=4),
    "depthwise": lambda: nn.Conv2d(5, 5, 3, groups=5),
}


@pytest.mark.parametrize("kind", ISOMETRIES)
@pytest.mark.parametrize("name", ["delta_orthogonal", "conv_orthogonal"])
def test_a_circular_convolution_keeps_the_norm_of_every_image_times_the_gain(name, kind):
    layer = filled(name, ISOMETRIES[kind](), gain=1.5)
    generator = torch.Generator().manual_seed(1)
    sizes = [8] * (layer.weight.dim() - 2)
    images = torch.randn(20, layer.in_channels, *sizes, dtype=torch.float64, generator=generator)
    norms = circular(layer, images).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, 1.5 * images.flatten(1).norm(dim=1), rtol=1e-5, atol=0)


def test_plain_orthogonal_weights_do_not_keep_the_norm_of_an_image():
    images = torch.randn(20, 6, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    norms = circular(filled("orthogonal", nn.Conv2d(6, 6, 3)), images).flatten(1).norm(dim=1)
    assert not torch.allclose(norms, images.flatten(1).norm(dim=1), rtol=0.02)


def test_a_delta_kernel_is_zero_beside_its_centre_and_a_spectral_one_uses_all_taps():
    delta, spread = (filled(name, nn.Conv2d(8, 8, 3)).weight for name in ("delta_orthogonal", "conv_orthogonal"))
    assert (delta != 0).flatten(2).any(0).any(0).tolist() == [index == 4 for index in range(9)]
    assert (spread.abs() > 1e-4).flatten(2).any(0).any(0).all()


def test_the_gain_quirk_of_tensorflow_is_a_square_root():
    ours, theirs = (filled(name, nn.Conv2d(3, 4, 3), gain=4.0) for name in ("delta_orthogonal", "tf_delta_orthogonal"))
    torch.testing.assert_close(ours.weight, 2 * theirs.weight)


@pytest.mark.parametrize("name", ["delta_orthogonal", "conv_orthogonal"])
def test_a_classifier_is_orthogonal_and_a_narrowing_convolution_is_refused(name):
    weight = filled(name, nn.Linear(20, 6)).weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), rtol=0, atol=1e-6)
    with pytest.raises(UserError, match=r"a convolution here has 8 inputs and 4 outputs; take a model without one"):
        filled(name, nn.Conv2d(8, 4, 3))


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(5, 3, 3), nn.Conv2d(3, 5, 4), nn.Conv1d(4, 4, 3), nn.Conv2d(4, 8, 3, groups=2)]
)
def test_dirac_is_torchs_own_and_noise_comes_on_top(layer):
    theirs = torch.empty_like(layer.weight)
    nn.init.dirac_(theirs, groups=layer.groups)
    assert torch.equal(filled("dirac", layer).weight.detach(), theirs)
    noise = (filled("dirac", layer, noise=0.1).weight.detach() - theirs).flatten().double().numpy()
    assert stats.kstest(noise, stats.norm(0, 0.1).cdf).pvalue > 1e-4


def test_dirac_of_a_linear_layer_is_torchs_identity():
    assert torch.equal(filled("dirac", nn.Linear(5, 3)).weight.detach(), nn.init.eye_(torch.empty(3, 5)))


@pytest.mark.parametrize(("normalizer", "c"), [("code", 2**-2), ("paper", 2**-1.5)])
def test_zero_widens_by_the_corner_of_a_hadamard_matrix(normalizer, c):
    weight = filled("zero_hadamard", nn.Conv2d(3, 11, 3), normalizer=normalizer).weight.detach()
    expected = torch.from_numpy(c * linalg.hadamard(16)[:11, :3]).float()
    torch.testing.assert_close(weight[:, :, 1, 1], expected)
    assert weight.abs().sum() == pytest.approx(expected.abs().sum().item(), rel=1e-6)


@pytest.mark.parametrize(("c_in", "c_out"), [(4, 4), (7, 4)])
def test_zero_is_a_partial_identity_where_it_does_not_widen(c_in, c_out):
    assert torch.equal(filled("zero_hadamard", nn.Linear(c_in, c_out)).weight.detach(), torch.eye(c_out, c_in))


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 8), (8, 3), (5, 5)])
def test_the_padded_identity_has_one_entry_a_row_and_full_rank(c_in, c_out):
    weight = filled("idinit", nn.Conv2d(c_in, c_out, 3), tau=2.0).weight.detach()
    assert (weight.flatten(1) != 0).sum(1).tolist() == [1] * c_out
    assert torch.linalg.matrix_rank(weight[:, :, 1, 1]) == min(c_in, c_out)
    assert weight.max() == 2.0


def test_a_sparse_unit_has_as_many_connections_as_asked_for_anywhere():
    weight = filled("sparse", nn.Conv2d(64, 3000, 3)).weight.detach().flatten(1)
    assert ((weight != 0).sum(1) == 15).all()
    assert stats.kstest(weight[weight != 0].double().numpy(), stats.norm.cdf).pvalue > 1e-4
    used = (weight != 0).sum(0).numpy()
    assert stats.chisquare(used).pvalue > 1e-4  # every input as often as another


def test_a_unit_with_few_inputs_keeps_them_all():
    assert (filled("sparse", nn.Conv2d(6, 6, 3, groups=6), std=0.1).weight != 0).all()


@pytest.mark.parametrize(("mode", "n"), [("fan_in", 5 * 9), ("fan_avg", (5 + 7) / 2 * 9), ("fan_out", 7 * 9)])
def test_waves_have_the_variance_of_their_gain_and_one_frequency_a_unit(mode, n):
    weight = filled("sinusoidal", nn.Conv2d(5, 7, 3), mode=mode, gain=1.5).weight.detach().double().flatten(1)
    assert weight.var(correction=0) == pytest.approx(1.5**2 / n, rel=1e-6)
    for unit in range(1, 8):
        wave = torch.tensor([math.sin(unit * (2 * math.pi * j / 45 + 2 * math.pi / 7)) for j in range(45)])
        cosine = F.cosine_similarity(weight[unit - 1], wave.double(), dim=0)
        assert cosine == pytest.approx(1, abs=1e-6)


def plain_net(width: int = 6) -> nn.Module:
    return plain((3, 12, 12), 10, nn.ReLU, lambda channels: nn.Identity(), "sum", depth=14, width=width).double()


def test_a_plain_relu_net_that_looks_linear_is_linear():
    net = filled("looks_linear", plain_net())
    one, other = torch.randn(2, 4, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(net(2 * one - 3 * other), 2 * net(one) - 3 * net(other))
    assert net(one).abs().max() > 1e-3
    he = filled("he_normal", plain_net())
    assert not torch.allclose(he(2 * one - 3 * other), 2 * he(one) - 3 * he(other), rtol=0.1)


def test_a_mirrored_layer_is_made_of_one_orthogonal_matrix():
    first, middle, last = net = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 6), nn.Linear(6, 3))
    filled("looks_linear", net)
    w = middle.weight[:3, :4]
    assert torch.equal(middle.weight, torch.cat([torch.cat([w, -w], 1), torch.cat([-w, w], 1)]))
    assert torch.equal(first.weight[:4], -first.weight[4:])
    assert torch.equal(last.weight[:, :3], -last.weight[:, 3:])
    for matrix in (w, first.weight[:4], last.weight[:, :3]):
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), rtol=0, atol=1e-6)


def test_odd_channels_and_groups_cannot_be_mirrored_and_the_model_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 7), nn.Linear(7, 3))
    before = net[0].weight.clone()
    with pytest.raises(UserError, match="a layer here has 8 inputs and 7 outputs; make both even"):
        filled("looks_linear", net)
    assert torch.equal(net[0].weight, before)
    with pytest.raises(UserError, match="groups would split them"):
        filled("looks_linear", nn.Conv2d(4, 4, 3, groups=2))


def test_the_number_of_threads_changes_no_more_than_the_rounding_of_orthogonal_weights():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(filled("orthogonal", nn.Conv2d(64, 64, 3)).weight.detach())
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["delta_orthogonal", "tf_delta_orthogonal"])
def test_the_centre_of_an_even_kernel_is_left_of_its_middle_as_in_jax(name):
    layer = initialize(nn.Conv2d(3, 5, (2, 4)), name)
    assert (layer.weight != 0).any(0).any(0).nonzero().tolist() == [[0, 1]]
    assert (initialize(nn.Conv2d(3, 5, (2, 4)), "dirac").weight != 0).any(0).any(0).nonzero().tolist() == [[1, 2]]
