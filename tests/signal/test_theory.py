"""What theory expects is what random nets do: means, gradients, and the share of nets inside a band."""

import math

import pytest
import torch
from torch import nn

from bench.schema import UserError
from bench.signal.maps import MeanField
from bench.signal.steps import Activation, Batch, Estimate, Given, Norm, Residual, Weights
from bench.signal.theory import propagate

RELU = Activation(nn.ReLU())


def he(width):
    return Weights(width, width, math.sqrt(2 / width), width)


def plain(phi, width, depth, gain, bias_std=0.0):
    weights = Weights(width, width, gain / math.sqrt(width), width, bias_std)
    return [*[weights, Activation(phi)] * depth, weights]


def simulated(steps, width, *, nets, inputs, correlation):
    """Mean squares after each step, (nets,) each, of the signal and of the gradient relative to the last."""
    generator = torch.Generator().manual_seed(0)
    common, own = (torch.randn(nets, size, width, generator=generator) for size in (1, inputs))
    h = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
    h = (h / h.square().mean((1, 2), keepdim=True).sqrt()).requires_grad_()
    signals = [h]
    for step in steps:
        signals.append(passed(step, signals[-1], generator))
    gradients = torch.autograd.grad(signals[-1], signals, torch.randn(signals[-1].shape, generator=generator))
    last = gradients[-1].square().mean((1, 2))
    return [one.detach().square().mean((1, 2)) for one in signals], [
        one.square().mean((1, 2)) / last for one in gradients
    ]


def passed(step, h, generator):
    """What a step makes of (nets, inputs, width): each net draws weights of its own."""
    if isinstance(step, Weights):
        weights = torch.randn(len(h), h.shape[2], step.width, generator=generator)
        return step.std * h @ weights + step.bias_std * torch.randn(len(h), 1, step.width, generator=generator)
    if isinstance(step, Norm):
        return step.scale * nn.functional.layer_norm(h, h.shape[2:])
    if isinstance(step, Activation):
        return step.function(h)
    kept = added = h
    for one in step.shortcut:
        kept = passed(one, kept, generator)
    for one in step.branch:
        added = passed(one, added, generator)
    return kept + step.scale * added


def inside(values, estimate, share=0.95):
    low, high = estimate.band(share)
    return float(((low <= values) & (values <= high)).float().mean())


@pytest.mark.parametrize("phi", [nn.ReLU(), nn.Tanh(), nn.SiLU(), nn.Hardtanh(), nn.Sigmoid()])
def test_a_plain_net_is_the_iterated_maps(phi):
    net = MeanField(phi, 1.3, 0.1)
    expected = propagate(Given(1.0, 0.5, 100), plain(phi, 100, 8, 1.3, 0.1))
    q, c = 1.69 + 0.01, (1.69 * 0.5 + 0.01) / 1.7
    for one in expected[3::2]:
        c, q = net.correlation(c, q), net.length(q)
        assert one.second_moment.mean == pytest.approx(q, rel=2e-3)
        assert one.correlation == pytest.approx(c, abs=2e-3)
    assert expected[0].second_moment.mean == pytest.approx(1)
    before = MeanField(phi, 1.3).chi(expected[-3].second_moment.mean)
    assert expected[-3].gradient.mean == pytest.approx(before, rel=5e-3)


def test_inputs_that_nearly_agree_keep_the_digits_of_their_distance():
    expected = propagate(Given(1.0, 1 - 1e-9, 100), plain(nn.Identity(), 100, 5, 1.0))
    assert 1 - expected[-1].correlation == pytest.approx(1e-9, rel=1e-3)


def test_relu_adds_five_over_width_to_the_log_variance_of_each_layer():
    expected = propagate(Given(1.0, 0.5, 100), [he(100), RELU] * 6)
    noises = [one.second_moment.log_variance for one in expected[2::2]]
    assert noises == pytest.approx([0.05 * layer for layer in range(1, 7)], rel=0.03)  # Hanin & Rolnick 2018
    assert expected[0].gradient.log_variance == pytest.approx(0.05 * 6, rel=0.03)


@pytest.mark.parametrize(("phi", "gain"), [(nn.ReLU(), math.sqrt(2)), (nn.Tanh(), 1.5), (nn.SiLU(), 1.8)])
@pytest.mark.parametrize("inputs", [1, 12])
def test_a_95_percent_band_holds_95_percent_of_200_narrow_nets(phi, gain, inputs):
    steps, batch = plain(phi, 80, 5, gain, 0.1), Batch(inputs, 1.0 if inputs == 1 else 80**-0.5)
    signals, gradients = simulated(steps, 80, nets=200, inputs=inputs, correlation=0.3)
    expected = propagate(Given(1.0, 0.3, 80), steps, batch)
    shares = [inside(signal, one.second_moment) for one, signal in zip(expected, signals, strict=True)]
    assert 0.92 <= sum(shares[1:]) / 11 <= 0.98
    shares = [inside(gradient, one.gradient) for one, gradient in zip(expected, gradients, strict=True)]
    assert 0.90 <= sum(shares[:-1]) / 11 <= 0.98


PAIR = [RELU, he(80), RELU, he(80)]
NETS = {
    "biases": plain(nn.ReLU(), 80, 6, 1.0, 1.0),
    "tanh": plain(nn.Tanh(), 80, 8, 1.5),
    "gelu": plain(nn.GELU(), 80, 4, 1.6),
    "pre-activation": [he(80), *[Residual(PAIR, 0.7)] * 6],
    "shortcuts of weights": [he(80), *[Residual(PAIR, shortcut=[he(80)])] * 3],
    "branches in branches": [he(80), *[Residual([Residual([RELU, he(80)]), RELU, he(80)], 0.7)] * 4],
    "norm": [*[he(80), Norm("layer")] * 4, he(80)],
    "pre-norm": [Residual([Norm("layer"), he(80), Activation(nn.GELU()), he(80)])] * 5,
}


@pytest.mark.parametrize("steps", NETS.values(), ids=NETS)
def test_the_log_variances_are_those_of_1000_narrow_nets(steps):
    signals, gradients = simulated(steps, 80, nets=1000, inputs=1, correlation=0.0)
    expected = propagate(Given(1.0, 1.0, 80), steps)
    assert float(signals[-1].log().var()) == pytest.approx(expected[-1].second_moment.log_variance, rel=0.2)
    assert float(gradients[0].log().var()) == pytest.approx(expected[0].gradient.log_variance, rel=0.25)


def test_gradients_and_signals_of_the_same_units_vary_together():
    steps = plain(nn.GELU(), 200, 6, 1.5)
    _, gradients = simulated(steps, 200, nets=400, inputs=12, correlation=0.3)
    first = propagate(Given(1.0, 0.3, 200), steps, Batch(12, 200**-0.5))[0].gradient
    assert float(gradients[0].log().var()) == pytest.approx(first.log_variance, rel=0.25)


def test_the_band_of_a_rectified_stream_is_rather_too_wide():
    steps = [RELU, *[Residual([he(80), RELU, he(80)], 0.7), RELU] * 4]
    signals, _ = simulated(steps, 80, nets=1000, inputs=1, correlation=0.0)
    last = propagate(Given(1.0, 1.0, 80), steps)[-1].second_moment
    assert 0.95 < inside(signals[-1], last) < 0.995


@pytest.mark.parametrize(("phi", "gain"), [(nn.ReLU(), math.sqrt(2)), (nn.Tanh(), 1.5), (nn.SiLU(), 1.8)])
def test_wide_deep_nets_are_inside_their_bands(phi, gain):
    steps = plain(phi, 1000, 20, gain, 0.05)
    signals, gradients = simulated(steps, 1000, nets=2, inputs=4, correlation=0.5)
    expected = propagate(Given(1.0, 0.5, 1000), steps, Batch(4, 1000**-0.5))
    for one, signal, gradient in zip(expected, signals, gradients, strict=True):
        assert inside(signal, one.second_moment, 0.999) == 1
        assert inside(gradient, one.gradient, 0.999) == 1
        assert one.second_moment.log_variance < 0.15


def test_gradients_of_batch_norm_relu_nets_grow_by_pi_over_pi_minus_one():
    expected = propagate(Given(1.0, 0.5, 100), [he(100), Norm("batch"), RELU] * 4)
    grown = expected[-4].gradient.mean / expected[-1].gradient.mean
    assert grown == pytest.approx(math.pi / (math.pi - 1), rel=1e-3)  # Yang et al. 2019


def test_a_norm_frees_the_signal_of_the_scale_of_the_weights():
    for kind in ("batch", "layer", "rms"):
        weak, strong = (
            propagate(Given(1.0, 0.5, 64), [Weights(64, 64, std, 64), Norm(kind), RELU])[-1] for std in (1e-6, 1e3)
        )
        assert weak.second_moment.mean == pytest.approx(0.5, rel=1e-3)
        assert strong.second_moment.mean == pytest.approx(weak.second_moment.mean, rel=1e-9)


def test_the_second_moments_of_branches_add():
    block = Residual([RELU, he(100)], scale=0.5)
    *_, last = propagate(Given(1.0, 0.5, 100), [block] * 8)
    assert last.second_moment.mean == pytest.approx(1.25**8, rel=5e-3)
    strided = Residual([he(100)], shortcut=[Weights(100, 100, 0.1, 100)])
    assert propagate(Given(1.0, 0.5, 100), [strided])[1].second_moment.mean == pytest.approx(3, rel=5e-3)


def test_a_rectified_stream_and_its_gradients_are_those_of_a_simulation():
    block = [Residual([Weights(400, 400, 1 / 20, 400)], 0.7), RELU]
    steps = [RELU, *block * 6]
    signals, gradients = simulated(steps, 400, nets=20, inputs=8, correlation=0.0)
    expected = propagate(Given(1.0, 0.0, 400), steps)
    for one, signal, gradient in zip(expected, signals, gradients, strict=True):
        assert one.second_moment.mean == pytest.approx(float(signal.mean()), rel=0.03)
        assert one.gradient.mean == pytest.approx(float(gradient.mean()), rel=0.05)


def test_one_step_is_expected_from_what_was_measured_before_it():
    before, after = propagate(Given(4.0, 0.5, 100), [Weights(100, 50, 0.1, 50, bias_std=1.0)])
    assert (after.second_moment.mean, after.correlation) == (pytest.approx(5), pytest.approx(0.6))
    assert after.second_moment.log_variance == pytest.approx(2 / 50, rel=0.02)
    assert before.gradient.mean == pytest.approx(0.5)


def test_a_branch_of_zeros_changes_nothing():
    for branch in ([Weights(9, 9, 0.0, 9)], [he(9), Norm("batch", 0.0)]):
        _, start, last = propagate(Given(0.5, 0.3, 9), [he(9), Residual(branch)])
        assert last.second_moment == start.second_moment
        assert start.gradient.mean == 1
        assert last.branch[-1].second_moment.mean == 0


def test_what_theory_does_not_know_is_taken_as_measured():
    pooled = Given(0.25, 0.9, 64)
    _, first, middle, last = propagate(Given(1.0, 0.5, 64), [he(64), pooled, he(64)])
    assert (first.gradient.mean, middle.second_moment.mean) == (1, pytest.approx(0.25))  # its own last step
    assert middle.gradient.mean == pytest.approx(2)
    assert last.correlation == pytest.approx(0.9)
    known = propagate(Given(1.0, 0.5, 64), [he(64), Given(0.25, 0.9, 64, gradient=3.0), he(64)])
    assert known[1].gradient.mean == pytest.approx(6)
    _, first, summed = propagate(Given(1.0, 0.5, 64), [he(64), Residual([he(64), pooled, he(64)])])
    assert summed.gradient.mean == first.gradient.mean == 1
    assert summed.branch[0].gradient is None
    assert summed.branch[1].gradient.mean == pytest.approx(2)


def test_a_band_holds_its_mean_and_shrinks_with_its_share():
    (low, high), (lower, higher) = Estimate(2.0, 0.04).band(0.5), Estimate(2.0, 0.04).band()
    assert lower < low < 2 < high < higher
    assert Estimate(2.0, 0.0).band() == (2, 2)
    assert math.isfinite(Estimate(2.0, 1e6).band()[1])


def test_expecting_leaves_a_module_as_it_was_whatever_mode_is_on():
    module = nn.PReLU().train()
    steps = [he(64), Activation(module)]
    expected = propagate(Given(1.0, 0.5, 64), steps)
    with torch.inference_mode(), torch.device("meta"):
        assert propagate(Given(1.0, 0.5, 64), steps) == expected
    assert module.training
    assert module.weight.grad is None
    assert module.weight.dtype == torch.float32


@pytest.mark.parametrize("q", [0.0, math.inf, math.nan])
def test_a_signal_that_is_dead_or_not_finite_raises_nothing(q):
    steps = [he(9), RELU, Norm("layer"), Residual([he(9), Norm("batch")]), RELU]
    assert len(propagate(Given(q, 0.5, 9), steps)) == 6


def test_what_has_no_theory_is_refused_with_the_options():
    with pytest.raises(UserError, match=r"no norm of theory is named 'instance'.*batch, layer, rms"):
        Norm("instance")
    with pytest.raises(UserError, match="needs weights in a residual branch"):
        Residual([RELU])
    with pytest.raises(UserError, match="elementwise"):
        propagate(Given(1.0, 0.5, 9), [Activation(nn.Softmax(0))])
