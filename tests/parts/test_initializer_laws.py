"""Each initializer of conf/ follows the law that was published for its name."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from scipy import stats
from torch import nn

from bench.parts.initializer.variance_scaling import TRUNCATED_STD
from bench.registry import find
from bench.schema import UserError

FOLDER = Path(__file__).parents[2] / "conf" / "initializer"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

TRUNCATED = stats.truncnorm(-2, 2)
NORMAL, UNIFORM = stats.norm(), stats.uniform(-math.sqrt(3), 2 * math.sqrt(3))
CORRECTED = stats.truncnorm(-2, 2, scale=1 / TRUNCATED.std())

# the law in units of sigma, sigma² of (n_in, n_out), and Var w x n where n_in = n_out = n, as the frameworks have it
LAWS: dict[str, tuple[Any, Callable[[int, int], float], float]] = {
    "variance_scaling": (CORRECTED, lambda n_in, n_out: 1 / n_in, 1.0),
    "tf_variance_scaling": (TRUNCATED, lambda n_in, n_out: 1 / n_in, 0.774),
    "tf_variance_scaling_corrected": (CORRECTED, lambda n_in, n_out: 1 / n_in, 1.0),
    "tf_contrib_variance_scaling": (TRUNCATED, lambda n_in, n_out: 1.3 * 2 / n_in, 2.012),
    "tf_contrib_xavier_uniform": (UNIFORM, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "tf_contrib_xavier_normal": (TRUNCATED, lambda n_in, n_out: 1.3 * 2 / (n_in + n_out), 1.006),
    "glorot_uniform": (UNIFORM, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "glorot_normal": (NORMAL, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "he_normal": (NORMAL, lambda n_in, n_out: 2 / n_in, 2.0),
    "he_normal_fan_out": (NORMAL, lambda n_in, n_out: 2 / n_out, 2.0),
    "he_uniform": (UNIFORM, lambda n_in, n_out: 2 / n_in, 2.0),
    "he_uniform_fan_out": (UNIFORM, lambda n_in, n_out: 2 / n_out, 2.0),
    "lecun_normal": (CORRECTED, lambda n_in, n_out: 1 / n_in, 1.0),
    "torch_default": (UNIFORM, lambda n_in, n_out: 1 / (3 * n_in), 1 / 3),
}

# a layer, its n_in and its n_out, of one group
LAYERS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "convolution": (lambda: nn.Conv2d(64, 160, 3), 64 * 9, 160 * 9),
    "linear": (lambda: nn.Linear(700, 130), 700, 130),
    "grouped": (lambda: nn.Conv2d(96, 480, 3, groups=4), 24 * 9, 120 * 9),
    "depthwise": (lambda: nn.Conv2d(2000, 6000, 5, groups=2000), 25, 3 * 25),
}


def initializer(name: str) -> Callable[..., None]:
    option = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{name}.yaml"))
    arguments = {key: value for key, value in option.items() if key not in ("name", "law", "source", "function")}
    return partial(find("initializer", option["function"]), **arguments)


def drawn(name: str, layer: nn.Module, seed: int = 0) -> np.ndarray:
    initializer(name)(layer, torch.Generator().manual_seed(seed), None)
    return layer.weight.detach().numpy()


def p_value(sample: np.ndarray, law: Any) -> float:
    return float(stats.kstest(sample.ravel().astype(np.float64), law.cdf).pvalue)


def test_every_initializer_has_a_law_in_this_file():
    assert {*LAWS, "orthogonal"} == set(NAMES)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", LAWS)
def test_weights_follow_the_published_law(name, kind):
    (unit, variance, _), (layer, n_in, n_out) = LAWS[name], LAYERS[kind]
    sigmas = drawn(name, layer()) / math.sqrt(variance(n_in, n_out))
    assert p_value(sigmas, unit) > 1e-4
    assert np.abs(sigmas).max() <= unit.support()[1] * (1 + 1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_variance_times_fan_is_the_published_number(name):
    square = drawn(name, nn.Conv2d(160, 160, 3))
    assert square.var() * 160 * 9 == pytest.approx(LAWS[name][2], rel=0.015)  # its standard error is at most 0.3 %
    assert abs(square.mean()) < 5 * square.std() / math.sqrt(square.size)


def test_the_sample_is_large_enough_to_tell_neighbouring_laws_apart():
    n_in = 64 * 9
    layer = LAYERS["convolution"][0]
    assert p_value(drawn("lecun_normal", layer()) * math.sqrt(n_in), NORMAL) < 1e-4
    assert p_value(drawn("he_normal", layer()) * math.sqrt(n_in / 2), CORRECTED) < 1e-4
    assert (
        p_value(drawn("tf_contrib_variance_scaling", layer()) * math.sqrt(n_in / 2), CORRECTED) > 1e-4
    )  # 1.3 ~ 1.2924
    assert p_value(drawn("tf_variance_scaling", layer()) * math.sqrt(n_in), CORRECTED) < 1e-4


def test_truncation_leaves_the_standard_deviation_that_keras_and_jax_divide_by():
    assert pytest.approx(TRUNCATED.std(), rel=1e-12) == TRUNCATED_STD
    assert pytest.approx(0.87962566103423978, rel=1e-15) == TRUNCATED_STD


@pytest.mark.parametrize("layer", [lambda: nn.Conv2d(8, 20000, 3, groups=4), lambda: nn.Linear(18, 20000)])
def test_torch_default_is_what_torch_draws_for_weights_and_biases(layer):
    torch.manual_seed(0)
    theirs, ours = layer(), layer()
    drawn("torch_default", ours)
    for name in ("weight", "bias"):
        samples = (getattr(module, name).detach().numpy().ravel() for module in (ours, theirs))
        assert stats.ks_2samp(*samples).pvalue > 1e-4


def flat(layer: nn.Module) -> torch.Tensor:
    return layer.weight.detach().double().flatten(1)


@pytest.mark.parametrize("layer", [nn.Conv2d(5, 40, 3), nn.Linear(30, 12)], ids=["wide", "wide linear"])
def test_orthogonal_rows_have_length_one_and_do_not_overlap(layer):
    drawn("orthogonal", layer)
    torch.testing.assert_close(flat(layer) @ flat(layer).T, torch.eye(len(layer.weight)).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", [nn.Conv2d(2, 40, 3), nn.Linear(12, 30)], ids=["tall", "tall linear"])
def test_orthogonal_columns_do_where_there_are_more_rows(layer):
    drawn("orthogonal", layer)
    gram = flat(layer).T @ flat(layer)
    torch.testing.assert_close(gram, torch.eye(len(gram)).double(), rtol=0, atol=1e-6)


def test_orthogonal_makes_each_group_orthogonal_by_itself():
    layer = nn.Conv2d(6, 40, 3, groups=2)
    drawn("orthogonal", layer)
    for group in flat(layer).chunk(2):
        torch.testing.assert_close(group @ group.T, torch.eye(20).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 40), (40, 3)])
def test_orthogonal_entries_are_those_of_a_uniformly_drawn_matrix(c_in, c_out):
    many = nn.Sequential(*(nn.Linear(c_in, c_out, bias=False) for _ in range(2000)))
    initializer("orthogonal")(many, torch.Generator().manual_seed(0), None)
    last = np.array([layer.weight[-1, -1].item() for layer in many])  # one of each: those of one matrix hang together
    half = (max(c_in, c_out) - 1) / 2
    assert p_value(last, stats.beta(half, half, loc=-1, scale=2)) > 1e-4


def test_orthogonal_is_torchs_own_times_the_gain():
    ours, theirs = nn.Conv2d(7, 4, 3), torch.empty(4, 7, 3, 3)
    find("initializer", "orthogonal")(ours, torch.Generator().manual_seed(3), None, gain=1.5)
    nn.init.orthogonal_(theirs, gain=1.5, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(ours.weight.detach(), theirs)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"mode": "fan_inn"}, r"no mode is named 'fan_inn'.*fan_in.*fan_avg, fan_in, fan_out"),
        (
            {"distribution": "gauss"},
            r"no distribution is named 'gauss'.*normal, truncated, truncated_uncorrected, uniform",
        ),
        ({"scale": 0.0}, "0.0 / n is not positive"),
        ({"scale": -1.0}, "-1.0 / n is not positive"),
        ({"scale": math.inf}, "not positive and finite"),
        ({"scale": math.nan}, "not positive and finite"),
    ],
)
def test_a_variance_that_does_not_exist_is_refused_with_the_options(wrong, sentence):
    arguments = {"scale": 1.0, "mode": "fan_in", "distribution": "normal"} | wrong
    with pytest.raises(UserError, match=sentence):
        find("initializer", "variance_scaling")(nn.Linear(2, 3), torch.Generator(), None, **arguments)
