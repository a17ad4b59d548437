"""Each initializer of conf/ that draws weight by weight follows the law that was published for its name."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from bench import catalogue
from bench.parts.arguments import FANS
from bench.parts.initializer import streams
from bench.parts.initializer.layers import laws
from bench.parts.initializer.variance_scaling import TRUNCATED_STD
from bench.registry import find
from bench.schema import UserError

find("initializer", "torch_default")  # registers them all
OPTIONS = catalogue.options("initializer")

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
    "lecun_uniform": (UNIFORM, lambda n_in, n_out: 1 / n_in, 1.0),
    "glorot_standard": (UNIFORM, lambda n_in, n_out: 1 / (3 * n_in), 1 / 3),
    "tflearn_uniform_scaling": (UNIFORM, lambda n_in, n_out: 1 / n_in, 1.0),
    "tflearn_xavier": (UNIFORM, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "tflearn_xavier_normal": (TRUNCATED, lambda n_in, n_out: 2.6 / (n_in + n_out), 1.006),
    "tflearn_variance_scaling": (TRUNCATED, lambda n_in, n_out: 2.6 / n_in, 2.012),
    "keras_glorot_uniform": (UNIFORM, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "keras_glorot_normal": (CORRECTED, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "keras_he_uniform": (UNIFORM, lambda n_in, n_out: 2 / n_in, 2.0),
    "keras_he_normal": (CORRECTED, lambda n_in, n_out: 2 / n_in, 2.0),
    "keras_lecun_uniform": (UNIFORM, lambda n_in, n_out: 1 / n_in, 1.0),
    "keras_lecun_normal": (CORRECTED, lambda n_in, n_out: 1 / n_in, 1.0),
    "flax_default": (CORRECTED, lambda n_in, n_out: 1 / n_in, 1.0),
    "caffe_xavier": (UNIFORM, lambda n_in, n_out: 1 / n_in, 1.0),
    "caffe_msra": (NORMAL, lambda n_in, n_out: 2 / n_in, 2.0),
    "mxnet_xavier": (UNIFORM, lambda n_in, n_out: 2 / (n_in + n_out), 1.0),
    "mxnet_xavier_gaussian": (NORMAL, lambda n_in, n_out: 3 * 2 / (n_in + n_out), 3.0),
    "mxnet_msra_prelu": (NORMAL, lambda n_in, n_out: 2 / (1 + 0.25**2) * 2 / (n_in + n_out), 1.882),
    "paddle_conv": (NORMAL, lambda n_in, n_out: 2 / n_in, 2.0),
    "torchvision_conv": (NORMAL, lambda n_in, n_out: 2 / n_out, 2.0),
    "he_leaky": (NORMAL, lambda n_in, n_out: 2 / (1 + 0.01**2) / n_in, 2.0),
    "he_prelu": (NORMAL, lambda n_in, n_out: 2 / (1 + 0.25**2) / n_in, 1.882),
    "mup": (NORMAL, lambda n_in, n_out: 1 / n_in, 1.0),
    "torch_default": (UNIFORM, lambda n_in, n_out: 1 / (3 * n_in), 1 / 3),
}

# the laws of a fixed scale, as they are
FIXED: dict[str, Any] = {
    "uniform_raw": stats.uniform(0, 1),
    "jax_uniform": stats.uniform(0, 0.01),
    "keras_random_uniform": stats.uniform(-0.05, 0.1),
    "gluon_default": stats.uniform(-0.07, 0.14),
    "caffe_gaussian": stats.norm(0, 0.01),
    "jax_normal": stats.norm(0, 0.01),
    "jax_truncated_normal": stats.truncnorm(-2, 2, scale=0.01),
    "tflearn_normal": stats.norm(0, 0.02),
    "tflearn_truncated_normal": stats.truncnorm(-2, 2, scale=0.02),
    "timm_trunc_normal": stats.truncnorm(-2 / 0.02, 2 / 0.02, scale=0.02),
    "timm_trunc_normal_tf": stats.truncnorm(-2, 2, scale=0.02),
    "keras_random_normal": stats.norm(0, 0.05),
    "keras_truncated_normal": stats.truncnorm(-2, 2, scale=0.05),
}

# laws of whole matrices, each in a test of its own, and values that are not drawn
STRUCTURED = ["orthogonal", "delta_orthogonal", "tf_delta_orthogonal", "conv_orthogonal", "zero_hadamard", "sinusoidal"]
STRUCTURED += ["dirac", "sparse", "zeros", "constant"]

# a layer, its n_in and its n_out as the connections have them, and as frameworks count them otherwise
LAYERS: dict[str, tuple[Callable[[], nn.Module], int, int, dict[str, tuple[int, int]]]] = {
    "convolution": (lambda: nn.Conv2d(64, 160, 3), 64 * 9, 160 * 9, {}),
    "linear": (lambda: nn.Linear(700, 130), 700, 130, {}),
    "grouped": (
        lambda: nn.Conv2d(96, 480, 3, groups=4),
        24 * 9,
        120 * 9,
        dict.fromkeys(("torch", "keras", "jax"), (24 * 9, 480 * 9)) | {"paddle": (96 * 9, 480 * 9)},
    ),
    "depthwise": (
        lambda: nn.Conv2d(2000, 6000, 5, groups=2000),
        25,
        3 * 25,
        dict.fromkeys(("torch", "jax"), (25, 6000 * 25))
        | {"keras": (2000 * 25, 3 * 25), "paddle": (2000 * 25, 6000 * 25)},
    ),
}


def initializer(name: str) -> Callable[..., None]:
    return partial(find("initializer", OPTIONS[name]["function"]), **catalogue.arguments(OPTIONS[name]))


def drawn(name: str, layer: nn.Module, seed: int = 0) -> np.ndarray:
    initializer(name)(layer, torch.Generator().manual_seed(seed), None)
    return layer.weight.detach().numpy()


def p_value(sample: np.ndarray, law: Any) -> float:
    return float(stats.kstest(sample.ravel().astype(np.float64), law.cdf).pvalue)


def test_every_law_of_one_tensor_is_tested_against_its_formula():
    ours = {name for name, option in OPTIONS.items() if option["function"] in laws}
    assert {*LAWS, *FIXED, *STRUCTURED} == {*ours, "torch_default", "mup"}
    assert {*LAWS} - {"torch_default", "mup"} == {name for name, option in OPTIONS.items() if "fans" in option}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", sorted({*LAWS} - {"mup"}))
def test_weights_follow_the_published_law(name, kind):
    (unit, variance, _), (layer, n_in, n_out, otherwise) = LAWS[name], LAYERS[kind]
    n_in, n_out = otherwise.get(OPTIONS[name].get("fans", "exact"), (n_in, n_out))
    sigmas = drawn(name, layer()) / math.sqrt(variance(n_in, n_out))
    assert p_value(sigmas, unit) > 1e-4
    assert np.abs(sigmas).max() <= unit.support()[1] * (1 + 1e-6)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", FIXED)
def test_weights_of_a_fixed_scale_follow_their_law_whatever_the_fan(name, kind):
    sample, law = drawn(name, LAYERS[kind][0]()), FIXED[name]
    assert p_value(sample, law) > 1e-4
    low, high = law.support()
    assert low * (1 + 1e-6) <= sample.min()
    assert sample.max() <= high * (1 + 1e-6)


@pytest.mark.parametrize("name", ["uniform_raw", "jax_uniform"])
def test_two_raw_laws_are_not_of_mean_zero(name):
    assert drawn(name, nn.Linear(300, 300)).mean() == pytest.approx(FIXED[name].mean(), rel=0.02)


@pytest.mark.parametrize(("name", "value"), [("zeros", 0.0), ("constant", 0.05)])
def test_a_constant_is_the_same_everywhere(name, value):
    assert (drawn(name, nn.Conv2d(4, 6, 3, groups=2)) == np.float32(value)).all()


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


TORCH: dict[str, Callable[[], nn.Module]] = {
    "grouped": lambda: nn.Conv2d(8, 20000, 3, groups=4),
    "linear": lambda: nn.Linear(18, 20000),
    "transposed": lambda: nn.ConvTranspose2d(600, 100, 4),
    "transposed, grouped": lambda: nn.ConvTranspose1d(60, 3000, 3, groups=3),
    "lstm": lambda: nn.LSTM(16, 96, proj_size=40, num_layers=2, bidirectional=True),
    "gru cell": lambda: nn.GRUCell(16, 200),
    "rnn": lambda: nn.RNN(16, 200),
    "attention": lambda: nn.MultiheadAttention(64, 4, add_bias_kv=True),
    "attention of three sizes": lambda: nn.MultiheadAttention(64, 4, kdim=30, vdim=200),
    "bilinear": lambda: nn.Bilinear(8, 9, 2000),
    "embedding": lambda: nn.Embedding(300, 20, padding_idx=0),
    "transformer": lambda: nn.Transformer(32, 4, 1, 1, 64, batch_first=True),
}


@pytest.mark.parametrize("kind", TORCH)
def test_torch_default_is_what_torch_draws_for_every_parameter(kind):
    torch.manual_seed(0)
    theirs, ours = TORCH[kind](), TORCH[kind]()
    initializer("torch_default")(ours, torch.Generator().manual_seed(0), None)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert stats.ks_2samp(one.detach().flatten(), other.detach().flatten()).pvalue > 1e-4, name
        assert torch.equal(one == 0, other == 0), name


# what the frameworks count: law, layer, and the deviation measured in the framework of its name
MEASURED: list[tuple[str, Callable[[], nn.Module], float]] = [
    ("keras_glorot_normal", lambda: nn.Conv2d(32, 32, 3, groups=4), 0.0743),
    ("keras_glorot_normal", lambda: nn.Conv2d(24, 72, 3, groups=24), 0.0901),
    ("keras_he_normal", lambda: nn.Conv2d(24, 24, 3, groups=24), 0.0965),
    ("keras_he_normal", lambda: nn.Conv1d(24, 24, 3, groups=24), math.sqrt(2 / 72)),
    ("torchvision_conv", lambda: nn.Conv2d(128, 128, 3, groups=32), 0.0413),
    ("torchvision_conv", lambda: nn.Conv2d(32, 32, 3, groups=4), 0.0841),
    ("mxnet_xavier", lambda: nn.Conv2d(32, 32, 3, groups=4), math.sqrt(2 / (72 + 288))),
    ("caffe_msra", lambda: nn.Conv2d(32, 32, 3, groups=4), math.sqrt(2 / 72)),
    ("paddle_conv", lambda: nn.Conv2d(32, 32, 3, groups=4), math.sqrt(2 / 288)),
    ("glorot_normal", lambda: nn.Conv2d(32, 32, 3, groups=4), 0.1179),
    ("he_normal_fan_out", lambda: nn.Conv2d(32, 32, 3, groups=4), 0.1678),
]


@pytest.mark.parametrize("case", range(len(MEASURED)))
def test_a_law_under_the_name_of_a_framework_has_its_fans(case):
    name, layer, std = MEASURED[case]
    weights = np.concatenate([drawn(name, layer(), seed).ravel() for seed in range(40)])
    assert weights.std() == pytest.approx(std, rel=0.03)


def test_a_yaml_says_how_its_law_counts_the_fans():
    for name, option in OPTIONS.items():
        if "fans" in option:
            assert laws[option["function"]].fans.__name__ == option["fans"], name
            assert option["fans"] in FANS


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


def test_orthogonal_is_torchs_own_times_the_gain(monkeypatch):
    monkeypatch.setattr(streams, "normal", lambda values, generator: values.normal_(generator=generator))
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
        ({"gain": -1.0}, "gain=-1.0 is negative or not finite"),
        ({"gain": math.inf}, "gain=inf is negative or not finite"),
        ({"gain": "auto"}, "gain=auto depends on the activation"),
    ],
)
def test_a_variance_that_does_not_exist_is_refused_with_the_options(wrong, sentence):
    arguments = {"scale": 1.0, "gain": 1.0, "mode": "fan_in", "distribution": "normal"} | wrong
    with pytest.raises(UserError, match=sentence):
        find("initializer", "variance_scaling")(nn.Linear(2, 3), torch.Generator(), None, **arguments)


def test_a_gain_multiplies_the_standard_deviation():
    arguments = catalogue.arguments(OPTIONS["he_uniform"])
    once, twice = nn.Linear(20, 30), nn.Linear(20, 30)
    for layer, gain in ((once, 1.5), (twice, 3)):
        find("initializer", "variance_scaling")(
            layer, torch.Generator().manual_seed(0), None, **arguments | {"gain": gain}
        )
    torch.testing.assert_close(2 * once.weight, twice.weight)


@pytest.mark.parametrize(
    ("name", "wrong", "sentence"),
    [
        ("uniform", {"low": 1.0, "high": 1.0}, r"U\[1.0, 1.0\) is not a uniform law"),
        ("uniform", {"low": 0.0, "high": math.inf}, "is not a uniform law"),
        ("uniform", {"low": math.nan, "high": 1.0}, "is not a uniform law"),
        ("normal", {"std": -0.1}, "std=-0.1 is negative"),
        ("truncated_normal", {"std": math.nan}, "std=nan is negative or not finite"),
        ("constant", {"value": math.inf}, "inf is not finite"),
        ("he_leaky", {"slope": math.inf, "mode": "fan_in", "distribution": "normal"}, "slope=inf is not finite"),
        ("sparse", {"connections": 0, "std": 1.0}, "connections=0 leaves no weight"),
        ("sparse", {"connections": 3, "std": -1.0}, "std=-1.0 is negative"),
        ("sinusoidal", {"gain": 1.0, "mode": "fan"}, "no mode is named 'fan'"),
        ("sinusoidal", {"gain": -1.0, "mode": "fan_in"}, "gain=-1.0 is negative"),
        ("dirac", {"noise": -1.0}, "noise=-1.0 is negative"),
        ("zero_hadamard", {"normalizer": "blog"}, "no normalizer is named 'blog'.*code, paper"),
        ("orthogonal", {"gain": -1.0}, "gain=-1.0 is negative"),
        ("orthogonal", {"gain": "critical"}, "gain=critical depends on the activation"),
        ("delta_orthogonal", {"gain": -1.0, "power": 1.0}, "gain=-1.0 is negative"),
        ("conv_orthogonal", {"gain": math.nan}, "gain=nan is negative or not finite"),
        ("mean_field", {"gain": 1.0, "bias_std": -1.0}, "bias_std=-1.0 is negative"),
        ("mup", {"gain": "auto"}, "gain=auto depends on the activation"),
    ],
)
def test_an_argument_that_makes_no_law_is_refused_in_a_sentence(name, wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        find("initializer", name)(nn.Conv2d(4, 6, 3), torch.Generator(), None, **wrong)
