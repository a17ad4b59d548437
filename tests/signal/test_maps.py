"""The maps of wide nets are their closed forms where there is one, and hold for activations of one's own."""

import math

import pytest
import torch
from scipy import special
from torch import nn

from bench import catalogue
from bench.parts.gain import expectation, gain
from bench.registry import find
from bench.schema import UserError
from bench.signal.maps import FixedPoint, MeanField, critical_at, critical_line, jumps, pair, pair_slope

OPTIONS = catalogue.options("activation")
CORRELATIONS = (-1.0, -0.999, -0.5, 0.0, 0.3, 0.9, 0.999, 1 - 1e-6, 1.0)
HE = MeanField(nn.ReLU(), math.sqrt(2))


def step(z):
    return (z > 0).double()


@pytest.mark.parametrize("c", CORRELATIONS)
def test_relu_has_the_arc_cosine_kernel_to_ten_digits(c):
    angle = math.acos(c)
    exact = (math.sin(angle) + (math.pi - angle) * c) / math.pi  # Cho & Saul 2009, order 1
    assert HE.correlation(c, 1.3) == pytest.approx(exact, abs=1e-10)
    if c > -1:
        assert HE.correlation_slope(c, 1.3) == pytest.approx(1 - angle / math.pi, abs=1e-10)


@pytest.mark.parametrize("q", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("c", CORRELATIONS)
def test_erf_has_the_arcsine_kernel_to_twelve_digits(c, q):
    def kernel(c):  # Williams 1997
        return 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q))

    net = MeanField(torch.erf, 1.5, 0.3)
    assert net.length(q) == pytest.approx(2.25 * kernel(1) + 0.09, abs=1e-12)
    assert net.correlation(c, q) == pytest.approx((2.25 * kernel(c) + 0.09) / (2.25 * kernel(1) + 0.09), abs=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_activation_has_the_correlations_of_its_hermite_series(name):
    module = find("activation", OPTIONS[name]["function"])(**catalogue.arguments(OPTIONS[name]))
    net, c = MeanField(module, 1.0), -0.25
    series = 0.0
    for order in range(20):  # Mehler's formula: E[phi(u) phi(v)] = sum of c^k E[phi(z) He_k(z)]² / k!
        hermite = special.hermitenorm(order)
        coefficient = expectation(lambda z, hermite=hermite: net.phi(z) * torch.from_numpy(hermite(z.numpy())))
        series += c**order * coefficient**2 / math.factorial(order)
    assert pair(net.phi, 1.0, c) == pytest.approx(series, abs=1e-9 * net.length(1.0))
    assert net.chi(1.0) == pytest.approx(gain(module, "critical") ** -2)


@pytest.mark.parametrize("c", [-0.5, 0.0, 0.3, 0.99])
def test_a_jump_costs_no_digits(c):
    assert pair(step, 1.7, c) == pytest.approx((math.pi - math.acos(c)) / (2 * math.pi), abs=1e-10)
    assert pair_slope(step, 1.7, c) == pytest.approx(1 / math.sqrt(1 - c * c) / (2 * math.pi), abs=1e-9)


@pytest.mark.parametrize("phi", [nn.Softshrink(0.3), nn.Hardtanh(), nn.ReLU6(), nn.Hardswish(), nn.Tanh(), nn.SiLU()])
def test_the_correlation_slope_is_the_derivative_of_the_map_with_kinks_at_any_place(phi):
    net = MeanField(phi, 1.2, 0.1)
    for c in (-0.6, 0.2, 0.9):
        difference = (net.correlation(c + 1e-4, 0.7) - net.correlation(c - 1e-4, 0.7)) / 2e-4
        assert net.correlation_slope(c, 0.7) == pytest.approx(difference, rel=1e-6)
    difference = (net.length(0.7 + 1e-4) - net.length(0.7 - 1e-4)) / 2e-4
    assert net.length_slope(0.7) == pytest.approx(difference, rel=1e-6)
    assert net.correlation_slope(1.0, 0.7) == pytest.approx(net.correlation_slope(1 - 1e-9, 0.7), rel=1e-3)


def test_a_linear_net_keeps_every_correlation():
    net = MeanField(nn.Identity(), 1.0)
    assert net.length(3.0) == pytest.approx(3, rel=1e-12)
    assert [net.correlation(c, 3.0) for c in (-0.5, 0.2)] == pytest.approx([-0.5, 0.2], abs=1e-12)
    assert net.correlations(3.0) == (FixedPoint(1.0, pytest.approx(1)),)


def test_relu_halves_lengths_and_is_critical_at_the_gain_of_he():
    assert MeanField(nn.ReLU(), 1.0).length(3.0) == pytest.approx(1.5, rel=1e-10)
    assert HE.chi(5.0) == pytest.approx(1, rel=1e-10)
    assert HE.lengths() == (FixedPoint(1.0, 1.0),)
    assert HE.depth_scales(1.0).gradient == math.inf
    assert critical_at(nn.ReLU(), 0.0).gain == pytest.approx(math.sqrt(2), rel=1e-9)
    assert critical_at(nn.ReLU(), 0.1) is None


@pytest.mark.parametrize(
    ("gain", "bias_std", "expected"),
    [(1.0, 0.0, [(0, 0.5)]), (2.0, 0.0, [(0, 2)]), (1.0, 1.0, [(2, 0.5)]), (2.0, 1.0, [])],
)
def test_lengths_of_relu_settle_die_or_grow(gain, bias_std, expected):
    points = MeanField(nn.ReLU(), gain, bias_std).lengths()
    assert [(point.value, point.slope) for point in points] == [pytest.approx(pair, rel=1e-9) for pair in expected]


def test_selu_draws_lengths_to_one():
    zero, one = MeanField(nn.SELU(), 1.0).lengths()
    assert one.value == pytest.approx(1, rel=1e-9)
    assert abs(one.slope) < 1 < zero.slope
    assert zero.value == 0


def test_tanh_is_critical_at_gain_one_without_biases():
    assert critical_at(nn.Tanh(), 0.0).gain == pytest.approx(1, rel=1e-9)
    (zero,) = MeanField(nn.Tanh(), 1.0).lengths()
    assert zero.value == 0
    assert MeanField(nn.Tanh(), 1.0).chi(0.0) == pytest.approx(1, rel=1e-9)


# sigma_w², sigma_b² of critical tanh nets: Schoenholz et al. 2017, Pennington et al. 2018
@pytest.mark.parametrize(("variance", "bias_variance"), [(1.76, 0.05), (1.05, 2.01e-5)])
def test_published_points_are_on_the_critical_line_of_tanh(variance, bias_variance):
    point = critical_at(nn.Tanh(), math.sqrt(bias_variance))
    assert point.gain**2 == pytest.approx(variance, rel=1e-3)
    net = MeanField(nn.Tanh(), point.gain, point.bias_std)
    assert net.chi(point.q) == pytest.approx(1, abs=1e-9)
    assert net.length(point.q) == pytest.approx(point.q, rel=1e-9)
    assert net.lengths()[0].value == pytest.approx(point.q, rel=1e-6)


def test_the_critical_line_has_the_gains_of_gain_and_leaves_out_what_no_bias_mends():
    points = critical_line(nn.Tanh(), [0.5, 1.0])
    assert [point.gain for point in points] == [gain(nn.Tanh(), "critical", 0.5), gain(nn.Tanh(), "critical", 1.0)]
    assert critical_line(nn.Sigmoid(), [1.0]) == ()


def test_sigmoid_is_tanh_at_half_the_size_but_has_no_fixed_point_at_zero():
    assert MeanField(nn.Sigmoid(), 4.0).chi(4.0) == pytest.approx(MeanField(nn.Tanh(), 1.0).chi(1.0), rel=1e-9)
    point = critical_at(nn.Sigmoid(), 0.0)
    net = MeanField(nn.Sigmoid(), point.gain)
    assert net.chi(point.q) == pytest.approx(1, rel=1e-9)
    assert net.length(point.q) == pytest.approx(point.q, rel=1e-9)


def test_an_activation_that_is_flat_at_zero_is_critical_elsewhere_or_nowhere():
    assert critical_line(nn.Hardshrink(), [1e-4]) == ()
    assert critical_at(nn.Softshrink(), 0.0) is None
    point = critical_at(nn.Softshrink(), 0.1)
    assert MeanField(nn.Softshrink(), point.gain, 0.1).length(point.q) == pytest.approx(point.q, rel=1e-9)


def test_inputs_of_a_chaotic_net_part_and_of_an_ordered_one_meet():
    chaotic = MeanField(nn.Tanh(), 2.0, 0.2)
    (length,) = chaotic.lengths()
    star, one = chaotic.correlations(length.value)
    assert one.slope > 1 > star.slope
    assert chaotic.correlation(star.value, length.value) == pytest.approx(star.value, abs=1e-9)
    assert chaotic.correlation(0.99, length.value) < 0.99
    assert chaotic.correlation(0.0, length.value) > 0
    ordered = MeanField(nn.Tanh(), 0.8, 0.2)
    q = ordered.lengths()[0].value
    assert ordered.correlations(q) == (FixedPoint(1.0, pytest.approx(ordered.chi(q))),)


def test_depth_scales_are_those_of_an_iterated_map():
    net = MeanField(nn.Tanh(), 1.2, 0.3)
    (point,) = net.lengths()
    near = point.value * (1 + 1e-5)
    shrunk = (net.length(near) - point.value) / (near - point.value)
    scales = net.depth_scales(point.value)
    assert scales.length == pytest.approx(-1 / math.log(shrunk), rel=1e-3)
    assert scales.gradient == pytest.approx(-1 / math.log(net.chi(point.value)), rel=1e-9)
    assert scales.correlation == pytest.approx(scales.gradient)  # an ordered net: c* is 1
    assert MeanField(nn.Tanh(), 2.0).depth_scales(MeanField(nn.Tanh(), 2.0).lengths()[-1].value).gradient < 0  # grows


@pytest.mark.parametrize(
    ("phi", "does"), [(nn.Hardshrink(), True), (torch.sign, True), (step, True), (nn.ReLU(), False)]
)
def test_near_inputs_of_a_net_that_jumps_part_at_once(phi, does):
    assert jumps(phi, 1.0) is does
    assert math.isinf(MeanField(phi, 1.0).correlation_slope(1.0, 1.0)) is does


def test_an_activation_that_works_in_place_or_is_not_elementwise():
    assert MeanField(lambda z: z.relu_(), 1.0).length_slope(1.0) == pytest.approx(0.5, rel=1e-9)
    with pytest.raises(UserError, match="elementwise"):
        MeanField(nn.Softmax(0), 1.0).length(1.0)
    with pytest.raises(UserError, match="elementwise"):
        critical_at(nn.Softmax(0), 0.0)
