"""The lines of code of a card draw the law that the initializer of the same name draws."""

import math
import os

import pytest
import torch
import torchvision
from torch import nn

from bench import catalogue
from bench.report.wording.code import TRUNCATED_STD, WITH_DATA, code

OPTIONS = catalogue.options("initializer")
BY_TORCH = sorted(name for name, option in OPTIONS.items() if code(name, catalogue.arguments(option), "relu").torch)
# one name for each law
LAWS = sorted({code(name, catalogue.arguments(OPTIONS[name]), "relu").torch: name for name in BY_TORCH}.values())
# what the lines drew for a 3x3 kernel of 64 inputs and 256 outputs: the deviation by Keras 3.15.1 and by JAX 0.10.2,
# and of the weights of JAX the share beyond one deviation and beyond 1.9
MEASURED = {
    "glorot_normal": (0.02629, 0.02633, 0.317, 0.057),
    "glorot_standard": (0.02403, 0.02403, 0.422, 0.0),
    "he_uniform_fan_out": (0.02944, 0.02943, 0.422, 0.0),
    "jax_normal": (0.01, 0.00999, 0.317, 0.057),
    "keras_glorot_normal": (0.02635, 0.02633, 0.349, 0.052),
    "keras_he_normal": (0.05888, 0.05887, 0.349, 0.052),
    "keras_he_uniform": (0.05891, 0.05887, 0.422, 0.0),
    "keras_random_normal": (0.05002, 0.04996, 0.317, 0.057),
    "mxnet_xavier_gaussian": (0.04555, 0.0456, 0.317, 0.057),
    "orthogonal": (0.04167, 0.04167, 0.317, 0.058),
    "paddle_conv": (0.05884, 0.05887, 0.317, 0.057),
    "tf_variance_scaling": (0.03661, 0.03662, 0.349, 0.052),
    "tflearn_uniform_scaling": (0.04173, 0.04162, 0.422, 0.0),
    "tflearn_variance_scaling": (0.05919, 0.05905, 0.349, 0.052),
    "tflearn_xavier": (0.02638, 0.02633, 0.422, 0.0),
    "tflearn_xavier_normal": (0.02639, 0.02641, 0.349, 0.052),
    "timm_trunc_normal": (0.01999, 0.01998, 0.317, 0.057),
    "torch_default": (0.02406, 0.02403, 0.422, 0.0),
    "torchvision_conv": (0.02949, 0.02944, 0.317, 0.057),
    "variance_scaling": (0.04161, 0.04163, 0.349, 0.052),
}
# (c_out, c_in, k): fans that differ, and weights enough for a deviation to 2 %
LAYERS = ((128, 16, 3), (16, 128, 3), (256, 64, 0))


def network():
    return nn.ModuleList(nn.Conv2d(c_in, c_out, k) if k else nn.Linear(c_in, c_out) for c_out, c_in, k in LAYERS)


def shape(weight):
    """Standard deviation, mean over it, and the share of weights beyond one, 1.9 and 2.5 of them."""
    weight = weight.detach()
    std = float(weight.std())
    tails = [float((weight.abs() > bound * std).float().mean()) for bound in (1, 1.7, 1.9, 2.2, 2.5)]
    return [std, float(weight.mean()) / std if std else 0.0, *tails]


@pytest.mark.parametrize("name", LAWS)
def test_the_lines_of_torch_draw_the_law_of_the_initializer(name):
    torch.manual_seed(0)
    ours, plain = network(), network()
    found = code(name, catalogue.arguments(OPTIONS[name]), "relu")
    exec(found.initialize, {"model": ours})
    exec(found.torch, {"model": plain})
    for one, other in zip(ours, plain, strict=True):
        (std, *law), (plain_std, *plain_law) = shape(one.weight), shape(other.weight)
        assert plain_std == pytest.approx(std, rel=0.03)
        assert plain_law == pytest.approx(law, abs=0.05)
        assert float(other.bias.detach().abs().max()) == pytest.approx(float(one.bias.detach().abs().max()), rel=0.5)


def test_most_laws_of_one_weight_have_lines_of_torch():
    assert {"he_normal", "glorot_uniform", "lecun_normal", "tf_variance_scaling", "torch_default"} <= {*BY_TORCH}
    assert {"orthogonal", "he_normal_fan_out", "tflearn_normal"} <= {*BY_TORCH}
    assert not {"lsuv", "fixup", "zeros"} & {*BY_TORCH}


def test_familiar_laws_have_the_calls_that_torch_has_for_them():
    calls = {name: code(name, catalogue.arguments(OPTIONS[name]), "relu").torch for name in BY_TORCH}
    assert 'nn.init.kaiming_normal_(w, nonlinearity="relu")' in calls["he_normal"]
    assert "nn.init.xavier_uniform_(w)" in calls["glorot_uniform"]


@pytest.mark.parametrize("name", ["lsuv", "he_normal", "zeros", "krahenbuhl"])
def test_the_line_of_bench_initialize_runs_and_asks_for_images_where_the_law_looks_at_them(name):
    network = torchvision.models.resnet18(num_classes=10)
    text = code(name, catalogue.arguments(OPTIONS[name]), "relu").initialize
    assert ("batch=images" in text) == (OPTIONS[name]["function"] in WITH_DATA)
    exec(text, {"model": network, "images": torch.randn(8, 3, 32, 32)})


def test_an_argument_that_is_not_that_of_conf_stands_in_the_line():
    given = catalogue.arguments(OPTIONS["variance_scaling"]) | {"scale": 3.0}
    found = code("variance_scaling", given, "tanh")
    assert 'initialize(model, "variance_scaling", scale=3.0, seed=0)' in found.initialize
    assert "s = (3.0 / (w[0].numel())) ** 0.5" in found.torch


def test_a_gain_by_the_activation_names_it_and_has_no_other_lines():
    given = catalogue.arguments(OPTIONS["variance_scaling"]) | {"gain": "auto"}
    found = code("variance_scaling", given, "tanh")
    assert found.initialize.endswith(
        """initialize(model, "variance_scaling", gain='auto', activation="tanh", seed=0)"""
    )
    assert found.torch is found.keras is found.jax is None


@pytest.mark.parametrize(
    ("name", "scale", "mode", "distribution", "of_jax"),
    [
        ("he_normal", 2, "fan_in", "untruncated_normal", "normal"),
        ("keras_he_normal", 2, "fan_in", "truncated_normal", "truncated_normal"),
        ("glorot_uniform", 1, "fan_avg", "uniform", "uniform"),
        ("lecun_normal", 1, "fan_in", "truncated_normal", "truncated_normal"),
        ("tf_variance_scaling", 0.7737413, "fan_in", "truncated_normal", "truncated_normal"),
        ("torch_default", 1 / 3, "fan_in", "uniform", "uniform"),
    ],
)
def test_keras_and_jax_are_given_the_variance_of_the_law(name, scale, mode, distribution, of_jax):
    found = code(name, catalogue.arguments(OPTIONS[name]), "relu")
    seen = {}
    keras = type("", (), {"VarianceScaling": staticmethod(lambda **given: seen.update(given))})
    exec(found.keras, {"keras": type("", (), {"initializers": keras})})
    assert seen == {"scale": pytest.approx(scale, rel=1e-6), "mode": mode, "distribution": distribution}
    assert found.jax == f'jax.nn.initializers.variance_scaling({seen["scale"]:.10g}, "{mode}", "{of_jax}")'


def test_the_deviation_of_a_truncated_normal_is_that_of_keras():
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    assert math.isclose(TRUNCATED_STD, math.sqrt(1 - 4 * density / math.erf(math.sqrt(2))), rel_tol=1e-9)


@pytest.mark.parametrize("name", LAWS)
def test_the_law_is_that_of_what_keras_and_jax_were_seen_to_draw(name):
    layer = nn.Conv2d(64, 256, 3)
    exec(code(name, catalogue.arguments(OPTIONS[name]), "relu").initialize, {"model": layer})
    std, _, one, _, two, *_ = shape(layer.weight)
    of_keras, of_jax, *shares = MEASURED[name]
    assert [of_keras, of_jax] == pytest.approx([std, std], rel=0.015)
    assert [one, two] == pytest.approx(shares, abs=0.005)


def drawn_by_keras(line):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    return lambda shape: torch.as_tensor(eval(line, {"keras": keras})(shape)).detach()


def drawn_by_jax(line):
    jax = pytest.importorskip("jax")
    return lambda shape: torch.tensor(jax.numpy.asarray(eval(line, {"jax": jax})(jax.random.key(0), shape)).tolist())


@pytest.mark.parametrize("library", ["keras", "jax"])
@pytest.mark.parametrize("name", LAWS)
def test_the_lines_of_keras_and_jax_draw_the_law_where_they_are_installed(name, library):
    found = code(name, catalogue.arguments(OPTIONS[name]), "relu")
    draw = {"keras": drawn_by_keras, "jax": drawn_by_jax}[library](getattr(found, library))
    ours = network()
    exec(found.initialize, {"model": ours})
    for layer, (c_out, c_in, k) in zip(ours, LAYERS, strict=True):
        other = draw((k, k, c_in, c_out) if k else (c_in, c_out))
        (std, *law), (other_std, *other_law) = shape(layer.weight), shape(other)
        assert other_std == pytest.approx(std, rel=0.03)
        assert other_law == pytest.approx(law, abs=0.05)
