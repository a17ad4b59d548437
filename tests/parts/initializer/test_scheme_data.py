"""Schemes that look at data give each layer the output they state, and leave everything else as it was."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench import catalogue
from bench.parts.activation import relu, tanh
from bench.parts.dataset.tensors import Split
from bench.parts.gain import resolved
from bench.parts.initializer import tuned
from bench.parts.initializer.layers import layers
from bench.parts.initializer.layerwise import normalised
from bench.parts.model.cifar import plain, resnet
from bench.parts.normalization import batch as batch_norm
from bench.parts.normalization import none
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("initializer")
LAYERWISE = ["lsuv", "lsuv_port", "data_dependent_norm", "krahenbuhl"]
FAST = {"metainit": {"steps": 5}, "gradinit": {"iterations": 5}}
NAMES = [*LAYERWISE, *FAST]


def data(count: int = 64) -> Split:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 10
    images = torch.randn(10, 1, 8, 8, generator=generator)[labels]
    return Split(images + 0.3 * torch.randn(count, 1, 8, 8, generator=generator), labels)


def residual_net(norm=none, shortcut: str = "A") -> nn.Module:
    return resnet((1, 8, 8), 10, relu, norm, "sum", depth=8, width=8, shortcut=shortcut)


def plain_net(norm=none) -> nn.Module:
    return plain((1, 8, 8), 10, tanh, norm, "sum", depth=14, width=8)


def initialized(name: str, model: nn.Module, batch: Split | None = None, seed: int = 0, **changed) -> nn.Module:
    arguments = catalogue.arguments(OPTIONS[name]) | FAST.get(name, {}) | changed
    arguments |= resolved(arguments, nn.ReLU())
    function = find("initializer", OPTIONS[name]["function"])
    function(model, torch.Generator().manual_seed(seed), batch or data(), **arguments)
    return model


def outputs(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What comes out of each layer, by name."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: output.detach()}))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    model(images)
    for hook in hooks:
        hook.remove()
    return seen


def channels(output: Tensor) -> Tensor:
    return output.movedim(1, 0).flatten(1)


NETS = [residual_net, lambda: residual_net(shortcut="B"), plain_net]


@pytest.mark.parametrize("build", NETS)
def test_lsuv_gives_every_layer_an_output_of_variance_one(build):
    model = initialized("lsuv", build())
    found = outputs(model, data().images)
    assert len(found) == len(list(layers(model)))
    assert all(abs(output.var(correction=0) - 1) <= 0.02 for output in found.values())


@pytest.mark.parametrize("build", NETS)
def test_lsuv_scales_orthonormal_weights_and_leaves_biases_alone(build):
    model = initialized("lsuv", build())
    for layer in layers(model):
        rows = layer.weight.detach().flatten(1)
        gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        torch.testing.assert_close(gram / gram[0, 0], torch.eye(len(gram)), rtol=0, atol=1e-4)
        assert not layer.bias.any()


@pytest.mark.parametrize("build", NETS)
def test_the_port_of_lsuv_takes_the_mean_of_a_rescaled_layer_to_zero(build):
    model = initialized("lsuv_port", build(), tolerance=0.001)
    for output in outputs(model, data().images).values():
        deviation, mean = torch.std_mean(output, correction=0)
        assert abs(deviation - 1) <= 0.001
        assert abs(mean) < 1e-3


def test_the_port_of_lsuv_leaves_a_layer_within_its_tolerance_alone():
    model = initialized("lsuv_port", plain_net(), tolerance=100.0)
    orthonormal = find("initializer", "orthogonal")
    other = plain_net()
    orthonormal(other, torch.Generator().manual_seed(0), None, gain=1.0)
    torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("build", NETS)
def test_each_channel_is_standard_after_data_dependent_normalization(build):
    model = initialized("data_dependent_norm", build())
    for output in outputs(model, data().images).values():
        deviation, mean = torch.std_mean(channels(output), dim=1, correction=0)
        torch.testing.assert_close(deviation, torch.ones_like(deviation), rtol=1e-3, atol=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-3)


def test_a_batch_without_spread_is_left_to_the_directions():
    flat = Split(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.long))
    for name in LAYERWISE:
        assert all(parameter.isfinite().all() for parameter in initialized(name, plain_net(), flat).parameters())


def test_layers_before_a_normalization_are_found_and_stay_orthonormal():
    model = residual_net(batch_norm, shortcut="B")
    found = normalised(model, data().images)
    assert found == {layer for layer in layers(model) if isinstance(layer, nn.Conv2d)}
    initialized("lsuv", model)
    rows = model.layer1[0].conv1.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(8), rtol=0, atol=1e-5)
    model.train()
    assert outputs(model, data().images)["linear"].var(correction=0) == pytest.approx(1, abs=0.02)


def test_only_the_layer_right_before_a_normalization_counts():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    assert normalised(model, torch.randn(8, 4, generator=torch.Generator().manual_seed(0))) == {model[3]}


# MetaInit and GradInit


@pytest.mark.parametrize(("build", "gain"), [(residual_net, 1.0), (plain_net, 0.5)])
def test_metainit_lowers_the_gradient_quotient(build, gain):
    def quotient(steps: int) -> float:
        model = initialized("metainit", build(), data(32), gain=gain, steps=steps)
        tensors = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
        noise = tuned.noise(model, data(32).images, torch.Generator().manual_seed(1))
        return tuned.gradient_quotient(model, tensors, noise, 1e-5).item()

    assert quotient(20) < quotient(0) / 2


def test_the_gradient_quotient_is_its_formula():
    model, batch = (
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).double(),
        Split(torch.randn(5, 1, 2, 2), torch.arange(5) % 3),
    )
    tensors = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    flat = torch.cat([value.detach().flatten() for value in tensors.values()])

    def loss(flat: Tensor) -> Tensor:
        return cross_entropy(batch.images.double().flatten(1) @ flat[:12].view(3, 4).T + flat[12:], batch.labels)

    gradient = torch.autograd.functional.jacobian(loss, flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    expected = ((gradient - hessian @ gradient) / (gradient + 1e-5 * gradient.sign()) - 1).abs().mean()
    found = tuned.gradient_quotient(model, tensors, Split(batch.images.double(), batch.labels), 1e-5)
    torch.testing.assert_close(found, expected)


def test_metainit_changes_the_lengths_of_the_weights_and_nothing_else():
    start, tuned = (initialized("metainit", residual_net(), steps=steps) for steps in (0, 5))
    for one, other in zip(start.parameters(), tuned.parameters(), strict=True):
        if one.ndim > 1:
            assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0).item() == pytest.approx(1, abs=1e-5)
            assert one.norm() != other.norm()
        else:
            assert torch.equal(one, other)


def test_metainit_sees_the_shape_of_the_images_and_not_the_images():
    one, other = data(), Split(torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.long))
    states = [initialized("metainit", plain_net(), batch).state_dict() for batch in (one, other)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_metainit_says_which_normalization_it_cannot_take():
    with pytest.raises(UserError, match=r"third derivatives \(batch_norm.*normalization=none"):
        initialized("metainit", residual_net(batch_norm))


def loss_after_a_step(model: nn.Module, batch: Split, size: float) -> float:
    gradients = torch.autograd.grad(cross_entropy(model(batch.images), batch.labels), list(model.parameters()))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    stepped = copy.deepcopy(model)
    with torch.no_grad():
        for parameter, gradient in zip(stepped.parameters(), gradients, strict=True):
            parameter.sub_(size * gradient / norm)
    return cross_entropy(stepped(batch.images), batch.labels).item()


@pytest.mark.parametrize("norm", [none, batch_norm])
def test_gradinit_lowers_the_loss_after_the_first_step(norm):
    start, learned = (initialized("gradinit", residual_net(norm), iterations=count) for count in (0, 30))
    assert loss_after_a_step(learned, data(), 0.1) < loss_after_a_step(start, data(), 0.1) - 0.05


def test_gradinit_brings_a_gradient_that_is_too_long_within_gamma():
    def norm(iterations: int) -> float:
        model = initialized("gradinit", residual_net(), gain=4.0, iterations=iterations)
        gradients = torch.autograd.grad(cross_entropy(model(data().images), data().labels), list(model.parameters()))
        return torch.cat([gradient.flatten() for gradient in gradients]).norm().item()

    assert norm(0) > 10
    assert norm(60) < 2


def test_gradinit_multiplies_each_tensor_with_one_number_above_the_minimum():
    start, learned = (initialized("gradinit", residual_net(), iterations=count) for count in (0, 10))
    ratios = [new.detach() / old.detach() for old, new in zip(start.parameters(), learned.parameters(), strict=True)]
    for ratio in (one for one in ratios if one.isfinite().all()):
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
        assert ratio.mean() >= 0.01
    assert any((ratio != 1).any() for ratio in ratios)


def test_the_two_overlapping_splits_a_batch_share_half_of_their_images():
    one, other = tuned.overlapping_splits(Split(torch.arange(30.0), torch.arange(30)), torch.Generator())
    assert len(one.labels) == len(other.labels) == 20
    assert len({*one.labels.tolist()} & {*other.labels.tolist()}) == 10
    assert torch.equal(one.images.long(), one.labels)


def test_gradinit_needs_parts():
    with pytest.raises(UserError, match="at least 3 images with their labels, and got 2 labels"):
        initialized("gradinit", plain_net(), data(2))


# All of them


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_and_buffer_is_filled(name):
    fresh, spoilt = (residual_net(none if name == "metainit" else batch_norm) for _ in range(2))
    for tensor in spoilt.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 99)
    expected = initialized(name, fresh).state_dict()
    torch.testing.assert_close(initialized(name, spoilt).state_dict(), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_set_of_weights_and_another_seed_another(name):
    first, again, other = (initialized(name, plain_net(), seed=seed).layer1[0].conv1.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).all()


@pytest.mark.parametrize("name", NAMES)
def test_without_data_the_model_is_left_as_it_was(name):
    model, option = plain_net(), OPTIONS[name]
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(UserError, match="needs data and got none"):
        find("initializer", option["function"])(model, torch.Generator(), None, **catalogue.arguments(option))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", LAYERWISE)
def test_images_that_are_not_finite_are_refused_and_the_model_left_as_it_was(name):
    model = plain_net()
    before = copy.deepcopy(model.state_dict())
    broken = Split(torch.full((4, 1, 8, 8), float("nan")), torch.zeros(4, dtype=torch.long))
    with pytest.raises(UserError, match="not finite; look at the images"):
        initialized(name, model, broken)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_the_parameters_changes(name, training):
    model = residual_net(none if name == "metainit" else batch_norm).train(training)
    model.layer1[0].requires_grad_(False)
    wanted, state = [parameter.requires_grad for parameter in model.parameters()], torch.get_rng_state()
    parameters = list(model.parameters())
    initialized(name, model)
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training is training for module in model.modules())
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert all(new is old and new.grad is None for new, old in zip(model.parameters(), parameters, strict=True))
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        if isinstance(module, nn.BatchNorm2d):
            assert module.num_batches_tracked == 0
            assert not module.running_mean.any()
            assert (module.running_var == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_dropout_draws_nothing_and_changes_nothing(name):
    states = []
    for share in (0.0, 0.9):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(share), nn.Linear(16, 10))
        state = torch.get_rng_state()
        states.append(initialized(name, model).state_dict())
        assert torch.equal(state, torch.get_rng_state())
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_mode_of_the_caller_does_not_matter(name):
    expected = initialized(name, plain_net()).state_dict()
    with torch.no_grad():
        torch.testing.assert_close(initialized(name, plain_net()).state_dict(), expected, rtol=0, atol=0)
