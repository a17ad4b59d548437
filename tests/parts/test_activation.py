"""Each activation of conf/ is its formula, a new module at each call, and leaves its input as it was."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from bench import catalogue
from bench.registry import find

FOLDER = Path(__file__).parents[2] / "conf" / "activation"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

FORMULAS = {
    "relu": lambda x: max(0.0, x),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "prelu": lambda x: x if x > 0 else 0.25 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "identity": lambda x: x,
    "gelu_tanh": lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "relu6": lambda x: min(max(0.0, x), 6.0),
    "celu": lambda x: x if x > 0 else math.expm1(x),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "hardswish": lambda x: x * min(max(0.0, x + 3), 6.0) / 6,
    "hardsigmoid": lambda x: min(max(0.0, x + 3), 6.0) / 6,
    "hardtanh": lambda x: min(max(-1.0, x), 1.0),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - math.tanh(x),
    "softshrink": lambda x: math.copysign(max(0.0, abs(x) - 0.5), x),
    "hardshrink": lambda x: x if abs(x) > 0.5 else 0.0,
    "logsigmoid": lambda x: -math.log1p(math.exp(-x)),
    "threshold": lambda x: x if x > 0 else 0.0,
}


def activation(name: str) -> partial[nn.Module]:
    option = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{name}.yaml"))
    arguments = catalogue.arguments(option)
    return partial(find("activation", option["function"]), **arguments)


def test_every_activation_has_a_formula_in_this_file():
    assert set(FORMULAS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_formula(name):
    points = torch.linspace(-8, 8, 129, dtype=torch.float64)
    expected = torch.tensor([FORMULAS[name](x) for x in points.tolist()], dtype=torch.float64)
    torch.testing.assert_close(activation(name)().double()(points), expected)


@pytest.mark.parametrize("name", NAMES)
def test_each_call_gives_a_new_module(name):
    build = activation(name)
    assert build() is not build()


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_left_as_it_was(name):
    points = torch.linspace(-3, 3, 13)
    activation(name)()(points)
    assert torch.equal(points, torch.linspace(-3, 3, 13))


@pytest.mark.parametrize(
    ("name", "changed", "at_minus_one"),
    [
        ("leaky_relu", {"negative_slope": 0.5}, -0.5),
        ("prelu", {"initial_slope": 0.5}, -0.5),
        ("elu", {"alpha": 2.0}, 2 * math.expm1(-1)),
        ("softplus", {"beta": 2.0}, math.log1p(math.exp(-2)) / 2),
        ("celu", {"alpha": 2.0}, 2 * math.expm1(-1 / 2)),
        ("hardtanh", {"low": -0.25, "high": 0.5}, -0.25),
        ("softshrink", {"threshold": 0.25}, -0.75),
        ("hardshrink", {"threshold": 1.0}, 0.0),
        ("threshold", {"threshold": -0.5, "value": 7.0}, 7.0),
    ],
)
def test_arguments_change_the_formula(name, changed, at_minus_one):
    module = find("activation", name)(**changed)
    assert module(torch.tensor([-1.0])).item() == pytest.approx(at_minus_one, rel=1e-6)


LEFT_OUT = {"RReLU", "Softmax", "Softmax2d", "Softmin", "LogSoftmax", "GLU", "MultiheadAttention"}  # see the module


def test_every_elementwise_activation_of_torch_is_here():
    theirs = {name for name in torch.nn.modules.activation.__all__ if name not in LEFT_OUT}
    assert theirs <= {type(activation(name)()).__name__ for name in NAMES}


def test_the_slope_of_prelu_is_learned():
    assert [parameter.shape for parameter in activation("prelu")().parameters()] == [(1,)]
