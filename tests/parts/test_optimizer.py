"""Optimizers decay what they are asked to, and a module may ask for a learning rate of its own."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from bench import catalogue
from bench.parts.activation import relu
from bench.parts.model.cifar import resnet
from bench.parts.model.scalar import Multiplier, Scalar, Shift
from bench.parts.normalization import none
from bench.parts.optimizer import eager, parameter_groups
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("optimizer")
DECAYING = [name for name, option in OPTIONS.items() if "weight_decay" in option]


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), Multiplier(0.1), nn.BatchNorm1d(4), nn.Linear(4, 2), Shift())


def optimizer(name: str, model: nn.Module, **changed: object) -> torch.optim.Optimizer:
    option = OPTIONS[name]
    return find("optimizer", option["function"])(model, **catalogue.arguments(option) | changed)


def settings(model: nn.Module, name: str = "sgd", **changed: object) -> dict[str, tuple[float, float]]:
    """(learning rate, weight decay) of each parameter by name."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = optimizer(name, model, learning_rate=0.5, weight_decay=0.01, **changed).param_groups
    pairs = [(names[one], (group["lr"], group["weight_decay"])) for group in groups for one in group["params"]]
    assert len(pairs) == len(dict(pairs)) == len(names)
    return dict(pairs)


@pytest.mark.parametrize("name", DECAYING)
def test_weights_alone_decay_and_a_scalar_learns_at_its_own_rate(name):
    assert settings(network(), name) == {
        "0.weight": (0.5, 0.01),
        "0.bias": (0.5, 0.0),
        "1.value": (0.05, 0.0),
        "2.weight": (0.5, 0.0),
        "2.bias": (0.5, 0.0),
        "3.weight": (0.5, 0.01),
        "3.bias": (0.5, 0.0),
        "4.value": (0.5, 0.0),
    }


@pytest.mark.parametrize("name", DECAYING)
def test_everything_decays_when_asked(name):
    assert {decay for _, decay in settings(network(), name, decay_norm_and_bias=True).values()} == {0.01}


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_an_update_is_that_of_torch(kind):
    models = [network()]
    models.append(copy.deepcopy(models[0]))
    for model, made in zip(models, (eager(kind), kind), strict=True):
        stepping = made(model.parameters(), lr=0.1, weight_decay=0.01)
        for step in range(1, 4):
            for parameter in model.parameters():
                parameter.grad = step * torch.ones_like(parameter).requires_grad_()
            stepping.step()
    own, theirs = (list(model.parameters()) for model in models)
    assert all(map(torch.equal, own, theirs))
    assert all(parameter.grad_fn is None for parameter in own)


def test_to_make_and_step_an_optimizer_does_not_fetch_the_compiler():
    code = """
import sys
import torch
from bench.parts.optimizer import SGD, Adam, AdamW
parameter = torch.nn.Parameter(torch.ones(1))
parameter.grad = torch.ones(1)
for kind in (SGD, Adam, AdamW):
    kind([parameter], lr=0.1).step()
assert "torch._dynamo" not in sys.modules
torch.optim.SGD([parameter], lr=0.1)
assert "torch._dynamo" in sys.modules  # once torch does without it, so can we
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_frozen_parameter_is_in_no_group():
    model = network()
    model[0].requires_grad_(False)
    assert sum(len(group["params"]) for group in parameter_groups(model, 0.5, 0.01, False)) == 6


def test_without_scalars_there_are_the_two_groups_of_old():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    decayed, kept = parameter_groups(model, 0.5, 0.01, False)
    assert decayed["params"] == [model[0].weight]
    assert kept["params"] == [model[0].bias, model[1].weight, model[1].bias]


@pytest.mark.parametrize("moved", [copy.deepcopy, nn.Module.double, lambda model: model.to("cpu", torch.float64)])
def test_a_copied_or_converted_model_keeps_the_rates_of_its_scalars(moved):
    assert settings(moved(network())) == settings(network())


def test_the_scalars_of_fixup_move_at_a_tenth_of_the_rate():
    model = resnet((1, 8, 8), 4, relu, none, "fixup", depth=8, width=2, shortcut="A")
    rates = settings(model)
    scalars = {f"{name}.value" for name, module in model.named_modules() if isinstance(module, Scalar)}
    assert {name for name, (rate, _) in rates.items() if rate == 0.05} == scalars
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
        parameter.grad = torch.ones_like(parameter)
    optimizer("sgd", model, learning_rate=0.5, weight_decay=0.0).step()
    assert {name: parameter.unique().item() for name, parameter in model.named_parameters()} == pytest.approx(
        {name: -0.05 if name in scalars else -0.5 for name in rates}
    )


def test_sgd_of_the_norms_trains_scales_and_shifts_alone():
    model = network()
    before = copy.deepcopy(model.state_dict())
    made = optimizer("sgd_norms", model)
    model(torch.randn(8, 3)).square().mean().backward()
    made.step()
    changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {"2.weight", "2.bias"}
    with pytest.raises(UserError, match="this model has none"):
        optimizer("sgd_norms", nn.Linear(3, 4))
