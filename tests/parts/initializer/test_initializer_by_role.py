"""Schemes by role: each layer gets what its role is given, and everything else starts as ever."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torchvision
from scipy import stats
from torch import nn

from bench import catalogue
from bench.parts.gain import critical_bias, gain, resolved
from bench.parts.initializer.by_role import named
from bench.parts.initializer.layers import laws, layers
from bench.parts.initializer.roles import ROLES, branches, roles
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("initializer")


def initializer(name: str, **changed) -> Callable[..., None]:
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    return partial(find("initializer", OPTIONS[name]["function"]), **arguments | resolved(arguments, nn.ReLU()))


def filled(name: str, model: nn.Module, **changed) -> nn.Module:
    initializer(name, **changed)(model, torch.Generator().manual_seed(0), None)
    return model


def resnet(name: str = "resnet14", normalization: str = "batch") -> nn.Module:
    option = catalogue.options("model")[name]
    arguments = catalogue.arguments(option) | {"width": 16, **({"shortcut": "B"} if "resnet" in name else {})}
    norm = find("normalization", normalization)
    return find("model", option["function"])((3, 8, 8), 10, nn.ReLU, norm, "sum", **arguments)


def sigmas(model: nn.Module, variance: Callable[[str, int, int], float]) -> torch.Tensor:
    """All weights of 1000 numbers or more, in units of the standard deviation that the law gives them."""
    role, scaled = roles(model), []
    for name, layer in model.named_modules():
        if name in role and layer.weight.numel() >= 1000:
            area = layer.weight[0, 0].numel()
            n_in, n_out = layer.weight.shape[1] * area, layer.weight.shape[0] * area
            scaled.append(layer.weight.detach().double().flatten() / variance(role[name], n_in, n_out) ** 0.5)
    return torch.cat(scaled)


def is_normal(sample: torch.Tensor) -> bool:
    return stats.kstest(sample.numpy(), stats.norm.cdf).pvalue > 1e-4


def test_one_law_for_every_role_is_that_law_to_the_last_bit():
    ours, theirs = filled("by_role", resnet()), filled("he_normal", resnet())
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(layers(ours), layers(theirs), strict=True))


def test_he_xavier_gives_the_last_convolution_of_a_branch_half_the_variance_and_no_other():
    variance = lambda role, n_in, n_out: 2 / (n_in + n_out) if role == "last" else 2 / n_in  # noqa: E731
    assert is_normal(sigmas(filled("he_xavier", resnet()), variance))
    assert not is_normal(sigmas(filled("he_normal", resnet()), variance))


def test_every_role_takes_its_own_law():
    for role in {*ROLES} - {"middle"}:  # which the next test is about
        others = dict.fromkeys({*ROLES} - {role}, "zeros")
        net = filled("by_role", resnet() if role != "other" else resnet("plain14"), **others, **{role: "constant"})
        for name, found in roles(net).items():
            weight = net.get_submodule(name).weight
            assert (weight == (0.05 if found == role else 0)).all(), (role, name)


def test_a_middle_convolution_takes_its_own_law():
    others = dict.fromkeys(("stem", "first", "last", "shortcut", "classifier", "other"), "zeros")
    net = filled("by_role", torchvision.models.resnet50(), middle="constant", **others)
    assert {name for name, found in roles(net).items() if net.get_submodule(name).weight.any()} == {
        name for name, found in roles(net).items() if found == "middle"
    }


@pytest.mark.parametrize("name", ["he_norml", "torch_default", "by_role", "zero_gamma"])
def test_what_is_no_law_of_one_tensor_is_refused(name):
    with pytest.raises(UserError, match=rf"no law of one tensor is named '{name}'.*`python -m bench list initializer"):
        filled("by_role", resnet(), stem=name)


def test_mup_is_linear_gain_with_a_zero_classifier():
    net = filled("mup", resnet())
    assert not net.linear.weight.any()
    net.linear = nn.Identity()
    assert is_normal(sigmas(net, lambda role, n_in, n_out: 1 / n_in))


def test_taki_divides_the_variance_inside_branches_by_their_number():
    net = resnet()
    blocks = len(branches(net))
    assert blocks == 6
    inside = ("first", "last")
    assert is_normal(sigmas(filled("taki", net), lambda role, n_in, _: 2 / n_in / (blocks if role in inside else 1)))


def test_zero_gamma_starts_every_block_as_its_shortcut():
    net = filled("zero_gamma", resnet())
    assert is_normal(sigmas(net, lambda role, n_in, n_out: 2 / n_out))
    for branch in branches(net):
        assert not branch.norms[-1].weight.any()
        assert all((norm.weight == 1).all() for norm in branch.norms[:-1])
    block = net.layer1[1].eval()
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(block(x), x)


def test_zero_gamma_is_torchvisions_option():
    theirs = torchvision.models.resnet18(zero_init_residual=True)
    ours = filled("zero_gamma", torchvision.models.resnet18())
    for one, other in zip(ours.modules(), theirs.modules(), strict=True):
        if isinstance(one, nn.BatchNorm2d):
            assert torch.equal(one.weight, other.weight)


@pytest.mark.parametrize(
    ("name", "model", "sentence"),
    [
        ("taki", lambda: resnet("plain14"), "taki acts on residual branches and this model has none"),
        ("zero_gamma", lambda: resnet("plain14"), "zero_gamma acts on residual branches"),
        ("zero_gamma", lambda: resnet("resnet14", "none"), r"layer1\.0 has none; take normalization=batch"),
    ],
)
def test_a_model_without_what_a_scheme_is_about_is_refused_and_left_as_it_was(name, model, sentence):
    net = model()
    before = [parameter.clone() for parameter in net.parameters()]
    with pytest.raises(UserError, match=sentence):
        filled(name, net)
    assert all(torch.equal(one, other) for one, other in zip(before, net.parameters(), strict=True))


def test_idinit_makes_the_last_layer_of_a_branch_small_and_no_other():
    net = filled("idinit", resnet())
    for name, role in roles(net).items():
        assert net.get_submodule(name).weight.abs().max().item() == pytest.approx(1e-6 if role == "last" else 1.0)


def test_the_edge_of_chaos_draws_weights_and_biases():
    net = nn.Sequential(nn.Conv2d(30, 2000, 3), nn.Conv2d(4, 4, 1, bias=False))
    weight, bias = gain(nn.Tanh(), "critical"), critical_bias(nn.Tanh())
    filled("mean_field", net, gain=weight, bias_std=bias)
    assert is_normal(net[0].weight.detach().double().flatten() * 270**0.5 / weight)
    assert is_normal(net[0].bias.detach().double() / bias)


def test_the_edge_of_chaos_keeps_the_size_of_a_deep_tanh_nets_signal_and_its_bias_is_part_of_it():
    @torch.no_grad()
    def size(**changed):
        deep = nn.Sequential(*(nn.Sequential(nn.Linear(500, 500), nn.Tanh()) for _ in range(30)))
        filled("mean_field", deep, **changed)
        x = torch.randn(50, 500, generator=torch.Generator().manual_seed(3))
        return float(deep[29][0](deep[:29](x)).square().mean())

    assert size(gain=gain(nn.Tanh(), "critical"), bias_std=critical_bias(nn.Tanh())) == pytest.approx(1, rel=0.15)
    assert size(gain=gain(nn.Tanh(), "critical"), bias_std=0.0) < 0.85


def test_every_law_of_one_tensor_can_be_named():
    names = [name for name, option in OPTIONS.items() if option["function"] in laws]
    assert len(names) > 40
    for name in names:
        named(name)(torch.empty(6, 4), torch.Generator())


@pytest.mark.parametrize("name", ["taki", "zero_gamma", "looks_linear"])
def test_a_scheme_for_some_models_fills_every_parameter_from_its_generator_alone(name):
    build = partial(resnet, "plain14") if name == "looks_linear" else resnet
    fresh, poisoned = build(), build()
    for tensor in poisoned.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 99)
    before = torch.get_rng_state()
    states = [filled(name, net).state_dict() for net in (fresh, poisoned)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
