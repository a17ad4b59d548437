"""The lines of code of a card draw the law that the initializer of the same name draws."""

import math

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


def drawn_by_keras(line):
    keras = pytest.importorskip("keras")
    return lambda shape: torch.tensor(keras.ops.convert_to_numpy(eval(line, {"keras": keras})(shape)))


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
