"""A law lifted over a model fills every parameter, from the generator it is handed and nothing else."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from bench import catalogue
from bench.parts.gain import resolved
from bench.parts.initializer import layers as room
from bench.parts.initializer.fans import fans
from bench.parts.initializer.layers import (
    Independent,
    bound,
    draw_weights,
    laws,
    layers,
    modules,
    restart_others,
)
from bench.parts.initializer.streams import CHUNK
from bench.registry import find, keyword_arguments
from bench.schema import UserError

find("initializer", "torch_default")  # registers them all
OPTIONS = catalogue.options("initializer")
# the laws of one tensor, and the schemes for a whole model that take any; what needs branches is tested with its scheme
NAMES = [name for name, option in OPTIONS.items() if option["function"] in laws]
NAMES += ["torch_default", "mean_field", "mup", "idinit", "by_role", "he_xavier"]
DRAWLESS = ["zeros", "constant", "dirac", "zero_hadamard", "idinit", "sinusoidal"]


def network() -> nn.Module:
    """A little of everything that the models are made of."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.PReLU(init=0.3),
        nn.Conv2d(8, 8, 3, groups=4, bias=False),
        nn.GroupNorm(2, 8),
        nn.Conv2d(8, 16, 1, groups=8),
        nn.BatchNorm2d(16, affine=False),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


def initialized(name: str, model: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    arguments = catalogue.arguments(OPTIONS[name])
    arguments |= resolved(arguments, nn.ReLU())
    find("initializer", OPTIONS[name]["function"])(model, torch.Generator().manual_seed(seed), None, **arguments)
    return {key: value.clone() for key, value in model.state_dict().items()}


def poisoned(model: nn.Module) -> nn.Module:
    for tensor in model.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 99)
    return model


def weights(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([state[f"{index}.weight"].flatten() for index in (0, 3, 5, 8)])


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_and_buffer_is_filled(name):
    fresh, state = initialized(name, network()), initialized(name, poisoned(network()))
    for key, value in state.items():
        torch.testing.assert_close(value, fresh[key], rtol=0, atol=0, msg=f"{key} keeps something of what it was")
    assert state["1.num_batches_tracked"] == 0
    assert (state["1.weight"] == 1).all()
    assert (state["2.weight"] == 0.3).all()
    for key in ("1.bias", "1.running_mean", "4.bias"):
        assert (state[key] == 0).all()
    for key in ("1.running_var", "4.weight", "6.running_var"):
        assert (state[key] == 1).all()


@pytest.mark.parametrize("name", sorted({*NAMES} - {"torch_default"}))
def test_biases_are_zero(name):
    state = initialized(name, poisoned(network()))
    assert all((state[f"{index}.bias"] == 0).all() for index in (0, 5, 8))


@pytest.mark.parametrize("name", sorted({*NAMES} - {*DRAWLESS}))
def test_one_seed_gives_one_set_of_weights_and_another_seed_another(name):
    first, again, other = (weights(initialized(name, network(), seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other)[(first != 0) | (other != 0)].float().mean() > 0.9


@pytest.mark.parametrize("name", DRAWLESS)
def test_without_a_draw_every_seed_gives_the_same_weights_and_the_generator_stays(name):
    generator = torch.Generator().manual_seed(1)
    arguments = catalogue.arguments(OPTIONS[name])
    find("initializer", OPTIONS[name]["function"])(network(), generator, None, **arguments)
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(1).get_state())
    assert torch.equal(*(weights(initialized(name, network(), seed)) for seed in (1, 2)))


@pytest.mark.parametrize("name", NAMES)
def test_weights_depend_on_neither_layout_nor_precision(name):
    plain = weights(initialized(name, network()))
    torch.testing.assert_close(
        weights(initialized(name, network().to(memory_format=torch.channels_last))), plain, rtol=0, atol=0
    )
    torch.testing.assert_close(weights(initialized(name, network().double())), plain.double(), rtol=0, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_weights_on_a_gpu_are_those_on_the_cpu(name):
    assert torch.equal(weights(initialized(name, network().cuda())).cpu(), weights(initialized(name, network())))


@pytest.mark.parametrize("name", NAMES)
def test_torchs_global_generator_is_not_touched(name):
    model, before = network(), torch.get_rng_state()
    initialized(name, model)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_initializing_leaves_every_parameter_trainable(name):
    model = network()
    initialized(name, model)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in model.parameters())


def test_fans_count_the_kernel_and_one_group():
    assert fans(nn.Linear(7, 4).weight) == (7, 4)
    assert fans(nn.Conv2d(7, 4, (3, 5)).weight) == (7 * 15, 4 * 15)
    groups: list[tuple[int, int]] = []
    law = lambda weight, generator: groups.append(fans(weight))  # noqa: E731
    draw_weights([(nn.Conv2d(6, 12, 3, groups=3), law)], torch.Generator())
    assert groups == [(2 * 9, 4 * 9)] * 3
    assert fans(nn.Conv2d(6, 6, 3, groups=6).weight[:1]) == (9, 9)


def test_a_group_is_drawn_into_its_own_output_channels():
    layer, count = nn.Conv2d(4, 6, 1, groups=2), iter(range(2))
    draw_weights([(layer, lambda weight, generator: weight.fill_(next(count)))], torch.Generator())
    assert layer.weight.flatten(1)[:, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_independent_weights_are_drawn_together_and_the_others_after_them():
    model, drawn = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 6)), []
    late = lambda weight, generator: drawn.append(tuple(weight.shape))  # noqa: E731
    early = Independent(lambda weight, name: lambda values, stream: drawn.append((name, *values.shape)))
    draw_weights(zip(model, (late, bound(early, name="a"), bound(early, name="b")), strict=True), torch.Generator())
    assert drawn == [("a", 5, 4), ("b", 6, 5), (4, 3)]


def test_an_independent_law_sees_one_group_and_fills_all():
    layer, groups = nn.Conv2d(6, 12, 3, groups=3), []
    ones = Independent(lambda weight: groups.append(fans(weight)) or (lambda values, stream: values.fill_(1)))
    draw_weights([(layer, ones)], torch.Generator())
    assert groups == [(2 * 9, 4 * 9)]
    assert (layer.weight == 1).all()


def wide() -> nn.Module:
    """More weights than one stream draws, in layers below and above the size of a chunk; two layers share a weight."""
    model = nn.Sequential(nn.Conv2d(64, 128, 3), *(nn.Linear(250, 250) for _ in range(4)), nn.Linear(400, 500))
    model[2].weight = model[1].weight
    return model


@pytest.mark.parametrize(
    "name", ["he_normal", "glorot_uniform", "lecun_normal", "timm_trunc_normal_tf", "torch_default"]
)
def test_the_weights_of_a_model_are_the_same_whatever_the_number_of_threads_and_the_precision(name):
    before, alone = torch.get_num_threads(), initialized(name, wide())
    try:
        for threads in (2, 3, 7):
            torch.set_num_threads(threads)
            for model in (wide(), wide().double()):
                state = initialized(name, poisoned(model))
                assert all(torch.equal(state[key].float(), value) for key, value in alone.items())
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["he_normal", "glorot_uniform", "lecun_normal", "uniform_raw"])
def test_a_large_tensor_is_drawn_in_chunks_as_a_layer_of_its_size_is(name):
    option, layer, tensor = OPTIONS[name], nn.Linear(CHUNK, 3), torch.empty(3, CHUNK)
    bound(laws[option["function"]], **catalogue.arguments(option))(tensor, torch.Generator().manual_seed(0))
    assert torch.equal(tensor, initialized(name, layer)["weight"])
    alone = torch.empty(3 * CHUNK)
    laws[option["function"]].draw_of(tensor, **catalogue.arguments(option))(alone, torch.Generator().manual_seed(0))
    assert not torch.equal(tensor.flatten(), alone)  # which is how one stream would draw it


def test_modules_are_those_of_torch_in_its_order():
    model = nn.Sequential(network(), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(2, 2))))
    model.append(model[0][0])  # a second time
    model.register_module("none", None)
    assert list(modules(model)) == list(model.modules())


def test_layers_come_in_the_order_of_registration_and_norms_are_none():
    model = network()
    assert list(layers(model)) == restart_others(model) == [model[index] for index in (0, 3, 5, 8)]


def test_a_law_becomes_an_initializer_and_stays_a_function_of_a_tensor(monkeypatch):
    registered = []
    monkeypatch.setattr(room, "initializer", registered.append)

    @room.law
    def constant(weight: torch.Tensor, generator: torch.Generator, *, value: float) -> None:
        weight.fill_(value)

    @room.independent
    def independent_constant(weight: torch.Tensor, *, value: float) -> room.Draw:
        return lambda values, stream: values.fill_(value)

    for law, initializer in zip((constant, independent_constant), registered, strict=True):
        model, tensor = poisoned(network()), torch.empty(2, 3)
        law(tensor, torch.Generator(), value=4.0)
        initializer(model, torch.Generator(), None, value=5.0)
        assert (tensor == 4).all()
        assert all((layer.weight == 5).all() for layer in layers(model))
        assert list(keyword_arguments(initializer)) == ["value"]
    assert [initializer.__name__ for initializer in registered] == ["constant", "independent_constant"]


class Scale(nn.Module):
    """A user's own module."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))


def test_a_module_that_does_not_say_where_it_starts_is_refused():
    with pytest.raises(UserError, match=r"parameters of Scale; give it a reset_parameters\(\)"):
        restart_others(nn.Sequential(nn.Linear(2, 2), Scale()))


def test_a_users_module_starts_where_it_says():
    class Restarted(Scale):
        def reset_parameters(self):
            nn.init.constant_(self.factor, 0.5)

    model = poisoned(Restarted())
    restart_others(model)
    assert model.factor.item() == 0.5


def test_a_module_that_draws_its_own_weights_is_refused_and_the_global_generator_put_back():
    model, before = nn.Sequential(nn.ConvTranspose2d(2, 3, 3)), torch.get_rng_state()
    with pytest.raises(UserError, match=r"ConvTranspose2d.reset_parameters\(\) draws"):
        restart_others(model)
    assert torch.equal(before, torch.get_rng_state())


def test_constants_are_left_alone():
    model = nn.Module()
    model.register_buffer("grid", torch.arange(3.0))
    before = copy.deepcopy(model.state_dict())
    restart_others(model)
    assert torch.equal(model.grid, before["grid"])


def test_a_law_needs_no_batch_and_no_gradient_mode():
    model = network()
    with torch.enable_grad():
        partial(find("initializer", "orthogonal"), gain=1.0)(model, torch.Generator(), torch.zeros(1, 3, 8, 8))
    assert model[0].weight.grad_fn is None
