"""Gains are the numbers that their integrals define, for every activation and for one's own."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from bench import catalogue
from bench.parts.gain import critical_bias, expectation, gain, number, resolved
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("activation")
KINKS = (-6.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0)  # where one of them may bend, or jump


def activation(name: str) -> nn.Module:
    return find("activation", OPTIONS[name]["function"])(**catalogue.arguments(OPTIONS[name]))


def moment(function) -> float:
    """E[f(z)] by another method: adaptive Gauss-Kronrod between the kinks."""

    def integrand(x):
        return float(function(torch.tensor([x], dtype=torch.float64))) * stats.norm.pdf(x)

    pieces = zip((-12.0, *KINKS), (*KINKS, 12.0), strict=True)
    return sum(integrate.quad(integrand, low, high, epsabs=1e-11, epsrel=1e-9)[0] for low, high in pieces)


def slope(module: nn.Module):
    """The derivative by central differences, whose error is far below 1e-6 here."""
    return lambda x: (module(x + 1e-5) - module(x - 1e-5)) / 2e-5


@pytest.mark.parametrize("name", OPTIONS)
def test_a_gain_is_its_integral_to_six_digits_by_a_second_method(name):
    module = activation(name).double().requires_grad_(False)
    second = moment(lambda x: module(x) ** 2)
    assert gain(module) == pytest.approx(second**-0.5, rel=1e-6)
    assert gain(module, "variance") == pytest.approx((second - moment(module) ** 2) ** -0.5, rel=1e-6)


@pytest.mark.parametrize("name", sorted({*OPTIONS} - {"hardshrink"}))  # it jumps: differences see the jump's slope
def test_the_edge_of_chaos_is_its_integral_by_a_second_method(name):
    module = activation(name).double().requires_grad_(False)
    assert gain(module, "critical") == pytest.approx(moment(lambda x: slope(module)(x) ** 2) ** -0.5, rel=1e-5)


@pytest.mark.parametrize("kind", ["second_moment", "critical"])
def test_known_gains_are_exact(kind):
    assert gain(nn.ReLU(), kind) == pytest.approx(math.sqrt(2), rel=1e-9)
    assert gain(nn.Identity(), kind) == pytest.approx(1, rel=1e-9)
    for a in (0.01, 0.25, math.sqrt(5)):
        assert gain(nn.LeakyReLU(a), kind) == pytest.approx(nn.init.calculate_gain("leaky_relu", a), rel=1e-9)
    assert gain(nn.PReLU(init=0.25), kind) == pytest.approx(math.sqrt(2 / 1.0625), rel=1e-9)


def test_selu_keeps_variance_by_itself():
    assert gain(nn.SELU()) == pytest.approx(1, rel=1e-9)


def test_the_gain_of_tanh_is_not_the_five_thirds_of_convention():
    assert gain(nn.Tanh()) == pytest.approx(1.5925, abs=1e-4)
    assert gain(nn.Tanh(), "critical") == pytest.approx(1.4674, abs=1e-4)
    assert abs(gain(nn.Tanh()) - nn.init.calculate_gain("tanh")) > 0.07


# as printed in the code of NF-nets: one over the standard deviation, the mean taken off
NF_GAMMAS = {
    "relu": 1.71396, "silu": 1.78813, "gelu": 1.70150, "elu": 1.27160, "tanh": 1.59391, "sigmoid": 4.80384,
    "selu": 1.00085, "softplus": 1.92033, "leaky_relu": 1.70590, "identity": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("name", NF_GAMMAS)
def test_gammas_of_nf_nets_are_gains_by_the_variance(name):
    assert gain(activation(name), "variance") == pytest.approx(NF_GAMMAS[name], rel=1e-3)


def test_gammas_of_nf_nets_are_not_gains_by_the_second_moment():
    assert gain(nn.ReLU()) != pytest.approx(NF_GAMMAS["relu"], rel=0.1)


def test_another_variance_of_the_pre_activations_rescales_the_gain():
    assert gain(nn.ReLU(), q=4.0) == pytest.approx(math.sqrt(2), rel=1e-9)  # homogeneous: q does not matter
    for q in (0.25, 4.0):
        samples = math.sqrt(q) * torch.randn(10**6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        assert gain(nn.Tanh(), q=q) == pytest.approx(math.sqrt(q / float(samples.tanh().square().mean())), rel=5e-3)
        derivative = 1 - samples.tanh().square()
        assert gain(nn.Tanh(), "critical", q) == pytest.approx(float(derivative.square().mean()) ** -0.5, rel=5e-3)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.Tanh(), nn.GELU(), nn.SELU(), nn.ELU(), nn.Hardtanh()])
def test_with_its_bias_the_edge_of_chaos_keeps_variance_one(module):
    weight, bias = gain(module, "critical"), critical_bias(module)
    assert weight**2 * gain(module) ** -2 + bias**2 == pytest.approx(1, abs=1e-9)


def test_an_activation_that_no_bias_makes_critical_is_refused():
    with pytest.raises(UserError, match=r"no bias makes variance q=1.0 a critical fixed point"):
        critical_bias(nn.Sigmoid())


def test_a_function_of_ones_own_has_a_gain_wherever_it_bends_or_jumps():
    assert gain(torch.exp) == pytest.approx(math.exp(-1), rel=1e-6)
    assert gain(lambda z: z.square()) == pytest.approx(3**-0.5, rel=1e-6)
    assert gain(lambda z: (z > 0.1234567).double()) == pytest.approx(stats.norm.sf(0.1234567) ** -0.5, rel=1e-6)
    assert gain(lambda z: z.relu_(), "critical") == pytest.approx(math.sqrt(2), rel=1e-6)  # in place
    bent = 0.7654321
    upper = integrate.quad(lambda x: (x - bent) ** 2 * stats.norm.pdf(x), bent, 12, epsabs=1e-12)[0]
    assert gain(lambda z: (z - bent).relu()) == pytest.approx(upper**-0.5, rel=1e-6)


def test_an_integrable_pole_is_integrated():
    exact = 2**-0.25 * math.gamma(0.25) / math.sqrt(math.pi)  # of |z|^-1/2
    assert expectation(lambda z: z.abs() ** -0.5) == pytest.approx(exact, rel=1e-6)


def test_asking_leaves_a_module_as_it_was():
    module = nn.PReLU(init=0.25).train()
    before = copy.deepcopy(module.state_dict())
    gain(module, "critical")
    assert module.training
    assert module.weight.dtype == torch.float32
    assert module.weight.grad is None
    assert torch.equal(module.weight, before["weight"])


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda z: z * 0, "second_moment"),
        (lambda z: z * 0 + 1, "variance"),
        (lambda z: z * 0 + 1, "critical"),
        (lambda z: (z > 0).double(), "critical"),
        (lambda z: 1 / z, "second_moment"),
        (torch.log, "second_moment"),
        (lambda z: torch.exp(z.square() / 3), "second_moment"),
        (lambda z: torch.exp(z.square() / 4), "second_moment"),
        (lambda z: torch.exp(torch.exp(z)), "second_moment"),
    ],
)
def test_a_moment_that_is_zero_or_infinite_is_refused(function, kind):
    with pytest.raises(UserError, match=rf"no {kind} gain: the moment it divides by is .*not positive and finite"):
        gain(function, kind)


@pytest.mark.parametrize("module", [nn.Softmax(0), nn.GLU(0), lambda z: z.sum(), lambda z: z - z.mean()])
def test_what_is_not_elementwise_is_refused(module):
    with pytest.raises(UserError, match="needs an elementwise activation"):
        gain(module)


def test_another_kind_or_variance_is_refused_with_the_options():
    with pytest.raises(UserError, match=r"no kind of gain is named 'criticl'; did you mean critical\?"):
        gain(nn.ReLU(), "criticl")
    for q in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(UserError, match="carry no signal"):
            gain(nn.ReLU(), q=q)


def test_words_of_an_initializer_become_numbers_and_numbers_stay_with_the_run():
    given = {"gain": "auto", "bias_std": 0.1, "scale": 1.0}
    assert resolved(given, nn.ReLU()) == {"gain": gain(nn.ReLU())}
    assert resolved({"gain": "critical", "bias_std": "critical"}, nn.Tanh()) == {
        "gain": gain(nn.Tanh(), "critical"),
        "bias_std": critical_bias(nn.Tanh()),
    }
    assert resolved({"gain": 1.0}, lambda z: z * 0) == {}


@pytest.mark.parametrize("key", ["gain", "bias_std"])
def test_another_word_is_refused_with_the_options(key):
    with pytest.raises(UserError, match=rf"no {key} is named 'automatic'.*critical, or a number"):
        resolved({key: "automatic"}, nn.ReLU())


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_a_gain_that_is_negative_or_not_finite_is_no_number(value):
    with pytest.raises(UserError, match="negative or not finite"):
        number(value)


def test_a_word_that_nobody_resolved_is_no_number():
    with pytest.raises(UserError, match="gain=auto depends on the activation"):
        number("auto")


# what a caller may hand over, and the modes that may be on around the call


@pytest.mark.parametrize("kind", ["second_moment", "critical", "variance"])
def test_the_modes_of_torch_around_a_call_change_no_gain(kind):
    expected = gain(nn.GELU(), kind)
    modes = [torch.inference_mode(), torch.no_grad(), torch.autocast("cpu"), torch.device("meta")]
    for mode in modes:
        with mode:
            assert gain(nn.GELU(), kind) == expected
    for dtype in (torch.float64, torch.bfloat16):
        torch.set_default_dtype(dtype)
        try:
            assert gain(nn.GELU(), kind) == expected
            assert torch.get_default_dtype() == dtype
        finally:
            torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("kind", ["second_moment", "critical", "variance"])
def test_a_prelu_has_a_gain_where_its_channels_have_one_slope(kind):
    assert gain(nn.PReLU(4), kind) == gain(nn.PReLU(), kind)
    several = nn.PReLU(2)
    several.weight.data = torch.tensor([0.1, 0.2])
    with pytest.raises(UserError, match=r"value by value.*fails: Mismatch of parameter numbers"):
        gain(several, kind)


@pytest.mark.parametrize("kind", ["second_moment", "critical", "variance"])
def test_a_function_in_float32_has_its_gain_to_five_digits(kind):
    for theirs, ours in ((lambda z: torch.relu(z.float()), nn.ReLU()), (lambda z: torch.tanh(z.float()), nn.Tanh())):
        assert gain(theirs, kind) == pytest.approx(gain(ours, kind), rel=1e-5)


def test_a_function_of_numpy_has_a_gain_but_no_derivative():
    assert gain(lambda z: np.tanh(z.numpy())) == pytest.approx(gain(nn.Tanh()), rel=1e-9)
    with pytest.raises(UserError, match="by functions of torch; this one fails: Can't call numpy"):
        gain(lambda z: np.tanh(z.numpy()), "critical")


@pytest.mark.parametrize(
    "activation",
    [
        nn.functional.prelu, nn.BatchNorm1d(3), nn.Linear(2, 2), nn.MultiheadAttention(4, 2), nn.PReLU(device="meta"),
        lambda z: None, lambda z: 3.0, lambda z: z.half(), lambda z: z.bfloat16(), lambda z: z + 1j, nn.GLU(),
    ],
)  # fmt: skip
def test_what_has_no_gain_is_refused_in_one_sentence(activation):
    with pytest.raises(UserError, match="a gain needs an") as refusal:
        gain(activation)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("q", [0.0, -1.0, math.inf, math.nan, "one"])
def test_a_variance_that_is_none_is_refused(q):
    with pytest.raises(UserError, match=f"variance q={q} carry no signal"):
        gain(nn.ReLU(), q=q)
