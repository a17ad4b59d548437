"""A diagnosis blames what is wrong, leaves deliberate zeros alone, and prints a line that repairs."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from bench import catalogue, diagnose, initialize, registry
from bench.benchmarks.probe_error_rates.nets import BATCH, NETS, RATE, accuracy, mutant
from bench.signal.measure import measure
from bench.signal.problems import problems, risk


@pytest.fixture(scope="module")
def digits():
    option = catalogue.options("dataset")["digits"]
    return registry.find("dataset", option["function"])(None, False, 0, **catalogue.arguments(option))


def kinds(net, *batch, rate=RATE):
    return [one.kind for one in diagnose(net, batch if len(batch) > 1 else batch[0], learning_rate=rate).problems]


@pytest.mark.parametrize("net", NETS)
def test_a_healthy_net_has_no_problem(net, digits):
    batch = digits.train.take(torch.arange(BATCH))
    found = measure(mutant(net, "", 0), *batch, RATE)
    assert problems(found) == []
    assert risk(found) < 0


@pytest.mark.parametrize(
    ("net", "mutation", "kind"),
    [
        ("mlp silu", "times 0.1", "slow"),
        ("conv gelu", "times 0.1", "slow"),
        ("conv relu", "torch_default", "slow"),
        ("mlp relu", "times 10", "steep"),
        ("residual relu", "a layer of zeros", None),  # which ends a branch: meant to be
        ("conv relu", "a layer of zeros", "silent"),
        ("conv relu", "a layer of ones", "silent"),
    ],
)
def test_what_is_wrong_is_named_and_following_the_line_makes_the_net_train(net, mutation, kind, digits):
    images, labels = digits.train.take(torch.arange(BATCH))
    built = mutant(net, mutation, 0)
    found = diagnose(built, (images, labels), learning_rate=RATE)
    assert [one.kind for one in found.problems] == ([kind] if kind else [])
    if kind:
        assert found.fixed.problems == []
        assert found.remedy.line in str(found)
        fixed = found.remedy.applied(built, images, labels, 0)
        assert accuracy(built, digits, 0) < 0.4
        assert accuracy(fixed, digits, 0) > 0.7


def test_the_printed_line_gives_the_net_that_was_measured(digits):
    images, labels = digits.train.take(torch.arange(BATCH))
    model = mutant("mlp silu", "times 0.1", 0)
    found = diagnose(model, (images, labels), learning_rate=RATE)
    eval(found.problems[0].fix, {"initialize": initialize, "model": model, "batch": (images, labels)})
    assert measure(model, images, labels, RATE).loss == pytest.approx(found.fixed.measurements[0].loss)


def test_a_layer_of_zeros_is_repaired_alone(digits):
    model = mutant("conv relu", "a layer of zeros", 0)
    before = copy.deepcopy(model.state_dict())
    found = diagnose(model, tuple(digits.train.take(torch.arange(BATCH))), learning_rate=RATE)
    assert found.problems[0].fix.startswith('initialize(model.get_submodule("4"), "he_normal"')
    fixed = found.remedy.applied(model, digits.train.images[:BATCH], None, 0).state_dict()
    assert [name for name in before if not torch.equal(before[name], fixed[name])] == ["4.weight"]


def test_the_pace_and_the_gain_that_is_needed_are_said():
    layers = [part for _ in range(12) for part in (nn.Linear(64, 64), nn.SiLU())]
    net = initialize(nn.Sequential(*layers, nn.Linear(64, 5)), "glorot_normal", others="keep")
    with torch.no_grad():
        for layer in net[::2]:
            layer.weight.mul_(0.5)
    (problem,) = diagnose(net, torch.randn(32, 64, generator=torch.Generator().manual_seed(0))).problems
    assert "the signal halves" in problem.what
    assert "gain 0.5" in problem.what
    assert "silu needs" in problem.what


def test_a_net_that_only_a_lower_rate_repairs_is_told_that_rate(digits):
    batch = tuple(digits.train.take(torch.arange(BATCH)))
    (problem,) = (found := diagnose(mutant("mlp relu", "", 0), batch, learning_rate=20.0)).problems
    assert problem.kind == "unstable"
    assert "train at a learning rate of" in problem.fix
    assert found.fixed.problems == []


def test_sums_that_add_up_are_blamed_in_a_residual_net_without_norms():
    net = initialize(torchvision.models.resnet18(norm_layer=nn.Identity, num_classes=10), "he_normal", others="keep")
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    (problem,) = diagnose(net, images).problems
    assert "sums of a branch and a shortcut" in problem.what
    assert '"taki"' in problem.fix


def test_branches_that_end_with_zero_weights_and_a_bias_are_closed():
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=True)
    layers = nn.TransformerEncoder(block, 4, enable_nested_tensor=False)
    for layer in layers.layers:
        nn.init.zeros_(layer.linear2.weight)
    net = nn.Sequential(nn.Linear(48, 64), layers, nn.Flatten(), nn.Linear(64 * 8, 10))
    assert diagnose(net, torch.randn(16, 8, 48)).problems == []


@pytest.mark.parametrize("zero", [{"zero_init_residual": True}, {}])
def test_deliberate_zeros_are_not_blamed(zero):
    torch.manual_seed(0)
    net = torchvision.models.resnet18(num_classes=10, **zero)
    if not zero:
        nn.init.zeros_(net.fc.weight)
    assert kinds(net, torch.randn(16, 3, 32, 32)) == []


def test_an_activation_that_is_flat_at_one_end_does_not_count_as_saturated():
    layers = [part for _ in range(4) for part in (nn.Linear(64, 64, bias=False), nn.ReLU6())]
    net = initialize(nn.Sequential(*layers, nn.Linear(64, 5)), "he_normal", others="keep")
    assert "saturated" not in kinds(net, torch.randn(32, 64, generator=torch.Generator().manual_seed(0)))


def test_tanh_at_three_times_its_gain_is_saturated_and_the_line_repairs_it(digits):
    batch = tuple(digits.train.take(torch.arange(BATCH)))
    found = diagnose(mutant("conv tanh", "times 3", 0), batch, learning_rate=RATE)
    assert [one.kind for one in found.problems] == ["saturated"]
    assert found.fixed.problems == []
