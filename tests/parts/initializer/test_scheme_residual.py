"""Schemes for residual branches give each branch the scale they state, on the form of block that they need."""

import math

import pytest
import torch
from torch import Tensor, nn

from bench import catalogue
from bench.parts.activation import relu
from bench.parts.gain import resolved
from bench.parts.initializer.roles import branches, roles
from bench.parts.model.cifar import plain, resnet
from bench.parts.model.imagenet import torchvision_resnet
from bench.parts.model.scalar import Multiplier, Scalar, Shift
from bench.parts.normalization import batch, none
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("initializer")
NAMES = ["fixup", "skipinit", "skipinit_one_over_sqrt_depth", "rezero", "hanin", "stable_add", "arpit"]
GAIN = 2**0.5


def form(name: str) -> str:
    return OPTIONS[name].get("residual", "sum")


def network(residual: str = "sum", norm=none, shortcut: str = "A", depth: int = 20, width: int = 8) -> nn.Module:
    return resnet((1, 8, 8), 10, relu, norm, residual, depth=depth, width=width, shortcut=shortcut)


def initialized(name: str, model: nn.Module | None = None, seed: int = 0, **changed: object) -> nn.Module:
    model = network(form(name)) if model is None else model
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    arguments |= resolved(arguments, nn.ReLU())
    find("initializer", OPTIONS[name]["function"])(model, torch.Generator().manual_seed(seed), None, **arguments)
    return model


def images(count: int = 4) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def deviation(layer: nn.Module) -> float:
    return layer.weight.square().mean().sqrt().item()


def skip_path(model: nn.Module, x: Tensor) -> Tensor:
    """What the model computes when all of its branches are nothing."""
    x = torch.relu(model.conv1(x))
    for branch in branches(model):
        x = branch.block.shortcut(x)
    return model.linear(x.mean((2, 3)))


@pytest.mark.parametrize("norm", [batch, none])
@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_filled(name, shortcut, norm):
    fresh, spoilt = (network(form(name), norm, shortcut, depth=14) for _ in range(2))
    for tensor in spoilt.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 99)
    for (key, one), other in zip(
        initialized(name, fresh).state_dict().items(), initialized(name, spoilt).state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), f"{key} keeps something of what it was"


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_set_of_weights_and_another_seed_another(name):
    first, again, other = (initialized(name, seed=seed).layer1[0].conv1.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).all()


@pytest.mark.parametrize("name", NAMES)
def test_torchs_global_generator_and_the_gradients_are_not_touched(name):
    model, before = network(form(name)), torch.get_rng_state()
    initialized(name, model)
    assert torch.equal(before, torch.get_rng_state())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_net_is_refused_and_left_as_it_was(name):
    model = plain((1, 8, 8), 10, relu, none, "sum", depth=14, width=4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError, match="residual branches and this model has none"):
        initialized(name, model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", [name for name in NAMES if form(name) != "sum"])
def test_another_form_of_block_is_refused_with_the_one_it_takes(name):
    with pytest.raises(UserError, match=f"residual={form(name)}; block layer1.0 has sum"):
        initialized(name, network())
    with pytest.raises(UserError, match=f"needs initializer.residual={form(name)}.*, not product"):
        initialized(name, residual="product")


@pytest.mark.parametrize("wrong", [{"gain": -1.0}, {"mode": "fan_middle"}])
def test_a_mistake_found_while_drawing_leaves_the_model_as_it_was(wrong):
    model = network("scalar", batch)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 3.0)
    with pytest.raises(UserError):
        initialized("skipinit", model, **wrong)
    assert all((parameter == 3).all() for parameter in model.parameters())


# Fixup


def test_fixup_starts_at_equal_logits_and_blocks_that_pass_their_input():
    model = initialized("fixup")
    assert (model(images()) == 0).all()
    x = torch.rand(2, 8, 8, 8)  # not negative, as what comes out of an activation
    assert torch.equal(model.layer1[1](x), x)


def test_fixup_scales_the_inner_layers_of_a_branch_by_depth():
    model = initialized("fixup", network("fixup", width=32))
    for branch in branches(model):
        first, last = branch.layers
        law = GAIN / math.sqrt(first.out_channels * 9)
        assert deviation(first) == pytest.approx(law * 9**-0.5, rel=0.03)
        assert not last.weight.any()
    assert not model.linear.weight.any()
    assert model.conv1.weight.abs().max() <= 1 / 3  # PyTorch's layer default, n_in = 9
    assert deviation(model.conv1) == pytest.approx(1 / 27**0.5, rel=0.1)


def test_fixup_counts_the_layers_of_a_bottleneck():
    model = torchvision_resnet((3, 8, 8), 10, relu, none, "sum", depth=50, stem="cifar")
    initialized("fixup", model, residual="sum")
    first, middle, last = branches(model)[-1].layers
    assert deviation(first) == pytest.approx(GAIN / 512**0.5 * 16**-0.25, rel=0.03)
    assert deviation(middle) == pytest.approx(GAIN / (512 * 9) ** 0.5 * 16**-0.25, rel=0.03)
    assert not last.weight.any()


def test_the_numbers_of_fixup_start_where_they_change_nothing():
    starts = {Shift: 0.0, Multiplier: 1.0}
    scalars = [module for module in initialized("fixup").modules() if isinstance(module, Scalar)]
    assert len(scalars) == 9 * 5 + 2
    assert all(scalar.value.item() == starts[type(scalar)] for scalar in scalars)


# SkipInit, ReZero, Hanin, stable-add


@pytest.mark.parametrize("name", ["skipinit", "rezero"])
def test_a_net_whose_branches_begin_at_nothing_is_its_skip_path(name):
    model = initialized(name)
    torch.testing.assert_close(model(images()), skip_path(model, images()))
    assert all(deviation(branch.layers[-1]) > 0 for branch in branches(model))


@pytest.mark.parametrize(
    ("name", "changed", "alphas"),
    [
        ("skipinit", {}, [0.0] * 9),
        ("skipinit", {"alpha": 0.25}, [0.25] * 9),
        ("skipinit_one_over_sqrt_depth", {}, [1 / 3] * 9),
        ("rezero", {}, [0.0] * 9),
        ("hanin", {}, [0.9**index for index in range(1, 10)]),
        ("hanin", {"base": 0.5}, [0.5**index for index in range(1, 10)]),
    ],
)
def test_each_branch_begins_at_its_alpha(name, changed, alphas):
    model = initialized(name, **changed)
    assert [branch.block.alpha.value.item() for branch in branches(model)] == pytest.approx(alphas)


@pytest.mark.parametrize("name", ["skipinit", "rezero", "hanin", "stable_add"])
def test_the_other_weights_are_those_of_he(name):
    model, he = initialized(name), initialized("he_normal", network())
    for key, value in he.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value)


@pytest.mark.parametrize("name", ["skipinit", "rezero", "hanin", "stable_add"])
def test_a_gain_may_be_left_to_the_activation(name):
    torch.testing.assert_close(initialized(name, gain="auto").state_dict(), initialized(name).state_dict())


def test_an_alpha_of_another_name_is_refused():
    with pytest.raises(UserError, match="a number or one_over_sqrt_depth, not 'small'"):
        initialized("skipinit", alpha="small")


@pytest.mark.parametrize("base", [0.0, 1.0, 1.5])
def test_hanins_scales_must_have_a_finite_sum(base):
    with pytest.raises(UserError, match=f"base={base}.*0 < base < 1"):
        initialized("hanin", base=base)


def test_stable_add_keeps_the_second_moment_where_a_sum_doubles_it():
    def growth(name: str) -> float:
        model = initialized(name, network(form(name), depth=26, width=32))
        x = torch.relu(model.conv1(images(16)))
        return (model.layer1(x).square().mean() / x.square().mean()).log2().item()

    assert growth("he_normal") - growth("stable_add") == pytest.approx(4)  # one halving in each of its four blocks


# Arpit


def test_arpits_rows_have_the_norms_of_their_roles():
    model = initialized("arpit", network(shortcut="B", depth=26))
    gains = {"stem": 1.0, "first": 2.0, "last": 1 / 4, "shortcut": 1.0}  # four blocks in each stage
    for name, role in roles(model).items():
        if role != "classifier":
            c_out, c_in = model.get_submodule(name).weight.shape[:2]
            norms = model.get_submodule(name).weight.flatten(1).norm(dim=1)
            torch.testing.assert_close(norms, torch.full_like(norms, math.sqrt(gains[role] * c_in / c_out)))


def test_arpits_directions_are_orthogonal():
    rows = initialized("arpit").layer2[0].conv1.weight.flatten(1)
    gram = rows @ rows.T
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()), rtol=0, atol=1e-5)
