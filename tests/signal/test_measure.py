"""The measures of a net: what closed forms give for wide ones, and a sentence for what cannot be measured."""

import copy
import itertools
import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from bench import diagnose
from bench.schema import UserError
from bench.signal.diagnosis import diagnosed
from bench.signal.measure import measure
from bench.train import global_rng

IMAGES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def mlp(width=32, classes=5):
    return nn.Sequential(nn.Flatten(), nn.Linear(192, width), nn.ReLU(), nn.Linear(width, classes))


def gaussian(weight, gain, seed=0):
    nn.init.normal_(weight, 0, gain / math.sqrt(weight.shape[1]), torch.Generator().manual_seed(seed))


def deep(depth, width, gain, activation=nn.ReLU):
    layers = [nn.Linear(width, width, bias=False) for _ in range(depth)]
    for seed, layer in enumerate(layers):
        gaussian(layer.weight, gain, seed)
    return nn.Sequential(*(part for layer in layers for part in (layer, activation())))


def inputs(n, width):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(9))


def test_relu_nets_keep_the_second_moment_and_the_gradient_of_he():
    found = measure(deep(6, 1024, math.sqrt(2)), inputs(16, 1024))
    layers = [one for one in found.operations if one.function == "linear"]
    assert all(one.second_moment == pytest.approx(2, rel=0.25) for one in layers)
    first, last = layers[0], layers[-1]
    assert first.gradient == pytest.approx(last.gradient, rel=0.3)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_any_other_gain_multiplies_the_second_moment_by_half_its_square(gain):
    layers = [one for one in measure(deep(6, 1024, gain), inputs(16, 1024)).operations if one.function == "linear"]
    for before, after in itertools.pairwise(layers):
        assert after.second_moment / before.second_moment == pytest.approx(gain**2 / 2, rel=0.2)


def test_the_cosine_of_two_examples_follows_the_arc_cosine_kernel():
    relus = [one for one in measure(deep(3, 2048, math.sqrt(2)), inputs(8, 2048)).operations if one.function == "relu"]
    expected = 0.0
    for one in relus:
        angle = math.acos(expected)
        expected = (math.sin(angle) + (math.pi - angle) * expected) / math.pi  # Cho & Saul 2009, order 1
        assert one.correlation == pytest.approx(expected, abs=0.02)


def test_the_jacobian_of_a_linear_net_has_the_singular_values_of_its_matrix():
    net = nn.Linear(20, 6, bias=False)
    exact = torch.linalg.svdvals(net.weight.detach())
    assert measure(net, inputs(4, 20)).jacobian == pytest.approx((float(exact[-1]), float(exact[0])), rel=1e-5)


def test_the_sharpness_is_near_the_greatest_eigenvalue_of_the_hessian():
    net, x, labels = nn.Linear(5, 3), inputs(32, 5), torch.arange(32) % 3
    exact = torch.autograd.functional.hessian(
        lambda flat: nn.functional.cross_entropy(x @ flat[:15].view(3, 5).T + flat[15:], labels),
        torch.cat([net.weight.detach().flatten(), net.bias.detach()]),
    )
    greatest = float(torch.linalg.eigvalsh(exact)[-1])
    found = measure(net, x, labels)
    assert 0.3 * greatest < found.sharpness <= 1.001 * greatest
    gradients = torch.autograd.grad(nn.functional.cross_entropy(net(x), labels), [net.weight, net.bias])
    g = torch.cat([one.flatten() for one in gradients])
    assert found.curvature == pytest.approx(float(g @ exact @ g / (g @ g)), rel=1e-2)


def test_the_tangent_kernel_of_a_linear_layer_is_the_variance_of_its_inputs_and_its_bias_counts_for_nothing():
    x = 3 + inputs(32, 20)
    found = measure(nn.Linear(20, 400), x)
    assert found.tangent_kernel == pytest.approx(float(x.var(0).sum()), rel=0.05)


def test_the_tangent_kernel_says_how_fast_a_step_tells_inputs_apart():
    x, target = inputs(32, 60), torch.eye(32)
    net = nn.Linear(60, 32, bias=False)
    nn.init.zeros_(net.weight)
    kernel, rate = measure(net, x).tangent_kernel, 1e-3
    (0.5 * (net(x) - target).square().sum()).backward()
    after = net(x).detach() - rate * x @ net.weight.grad.T
    moved = ((after - after.mean(0)) * target).sum() / 32
    assert float(moved) == pytest.approx(rate * kernel * 31 / 32, rel=0.1)


def test_the_loss_and_the_update_are_those_of_the_first_step():
    net, labels = mlp(), torch.arange(16) % 5
    found = measure(net, IMAGES, labels, learning_rate=0.5)
    loss = nn.functional.cross_entropy(net(IMAGES), labels)
    assert found.loss == pytest.approx(loss.item(), rel=1e-5)
    gradient = torch.autograd.grad(loss, net[1].weight)[0]
    assert found.weights["1.weight"].update == pytest.approx(
        float(0.5 * gradient.norm() / net[1].weight.detach().norm()), rel=1e-4
    )


def test_a_diagnosis_leaves_everything_as_it_was():
    class Noisy(nn.Sequential):
        def forward(self, x):
            noise = random.random() + float(np.random.rand()) + float(torch.rand(()))  # noqa: NPY002
            return super().forward(x) + noise

    seen = []
    net = Noisy(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 5))
    net[0].register_forward_hook(lambda *_: seen.append(1))
    net[1].eval()
    net[5].bias.requires_grad_(False)
    net(IMAGES).sum().backward()
    seen.clear()
    training = [part.training for part in net.modules()]
    states, before = global_rng.states(), copy.deepcopy(net.state_dict())
    gradients = [copy.deepcopy(one.grad) for one in net.parameters()]
    images = IMAGES.clone().requires_grad_()
    diagnose(net, images)
    assert global_rng.equal(states, global_rng.states())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [part.training for part in net.modules()] == training
    assert [one.requires_grad for one in net.parameters()] == [True] * 5 + [False]
    for value, gradient in zip(net.parameters(), gradients, strict=True):
        assert value.grad is None if gradient is None else torch.equal(value.grad, gradient)
    assert len(net[0]._forward_hooks) == 1
    assert not seen
    assert images.grad is None
    assert torch.equal(images, IMAGES)


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu")])
def test_modes_around_the_call_change_nothing(around):
    net = mlp()
    with around():
        found = measure(net, IMAGES)
    assert found.loss == measure(net, IMAGES).loss
    assert [one.gradient for one in found.operations] == [one.gradient for one in measure(net, IMAGES).operations]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_of_another_precision_is_measured_in_float32_and_says_so(dtype):
    found = measure(mlp().to(dtype), IMAGES.to(dtype))
    assert found.remarks == (f"measured in float32; the model has parameters in {dtype}",)


@pytest.mark.parametrize("wrap", [torch.compile, lambda net: nn.Sequential(torch.compile(net))])
def test_a_compiled_model_is_measured_as_the_one_that_it_compiles(wrap):
    net = mlp()
    assert measure(wrap(net), IMAGES).loss == measure(net, IMAGES).loss


def test_frozen_and_unused_parameters_are_remarks():
    net = mlp()
    net[1].requires_grad_(False)
    net[3].register_parameter("spare", nn.Parameter(torch.zeros(3)))
    assert measure(net, IMAGES).remarks == (
        "2 of 5 parameters are frozen; measured as if they learned",
        "parameters that the measured output does not depend on: 3.spare (1 in all)",
    )


def test_a_batch_of_one_is_measured_without_what_needs_two():
    found = diagnose(mlp(), IMAGES[:1])
    assert found.problems == []
    assert found.layers["correlation"].isna().all()
    assert "one example shows neither correlation" in str(found)


class TwoInputs(nn.Linear):
    def forward(self, x, y):
        return super().forward(x + y)


@pytest.mark.parametrize(
    ("net", "batch", "sentence"),
    [
        (nn.ReLU(), IMAGES, "ReLU has no parameters"),
        (mlp().to("meta"), IMAGES, "meta device and has no weights yet"),
        (nn.Sequential(nn.LazyLinear(3)), IMAGES, "lazy parameters"),
        (TwoInputs(3, 3), torch.randn(4, 3), r"4 inputs of shape \(3,\).* hand over a module that calls it with one"),
        (TwoInputs(3, 3), (torch.randn(4, 3), torch.randn(4, 3)), "for a model of several inputs hand over"),
        (mlp(), (IMAGES, torch.zeros(16).long(), IMAGES), "for a model of several inputs hand over"),
        (mlp(), torch.randn(16, 7), "mat1 and mat2 shapes cannot be multiplied"),
        (mlp(), IMAGES * math.nan, "inputs hold values that are not finite"),
        (mlp(), IMAGES[:1].repeat(4, 1, 1, 1), "all examples of the batch are the same"),
        (mlp(), IMAGES.to(torch.complex64), "the inputs are complex"),
        (mlp(), IMAGES[:0], "a batch is a tensor of inputs"),
        (mlp(), [], "a batch is a tensor of inputs"),
        (mlp(), (IMAGES, torch.full((16,), 99)), "labels of shape .* from 99 to 99 do not fit"),
        (mlp(), (IMAGES, torch.full((16,), -1)), "labels of shape .* from -1 to -1 do not fit"),
        ("resnet50", IMAGES, "not str"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(net, batch, sentence):
    with pytest.raises(UserError, match=sentence):
        diagnose(net, batch)


def test_an_output_that_is_not_finite_is_a_problem_of_the_layer_that_makes_it():
    net = mlp()
    with torch.no_grad():
        net[1].weight[0, 0] = math.inf
    (problem,) = diagnose(net, IMAGES).problems
    assert (problem.kind, problem.layer) == ("not_finite", "1")


def test_several_draws_have_intervals_and_count_those_with_a_problem():
    torch.manual_seed(0)
    nets = [nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(32, 32), nn.ReLU()))) for _ in range(4)]
    found = diagnosed("net", nets, inputs(16, 32), None, 0.1, 0)
    layers = found.layers
    logs = [[math.log(one.operations[0].second_moment) for one in found.measurements]][0]
    assert math.log(layers["second_moment"][0]) == pytest.approx(np.mean(logs))
    half = 3.1824 * np.std(logs, ddof=1) / 2  # the 97.5th percentile of t with 3 degrees of freedom
    assert math.log(layers["second_moment_high"][0]) == pytest.approx(np.mean(logs) + half, rel=1e-3)
    assert (layers["correlation_low"] <= layers["correlation_high"]).all()
    assert "(in 4 of 4 draws)" in found.problems[0].what
    assert found.plot().axes[0].collections


def test_one_draw_has_no_intervals():
    assert not [one for one in diagnose(mlp(), IMAGES).layers if one in ("second_moment_low", "gradient_high")]
