from pathlib import Path

import pytest
import torch

from bench import initialize, registry
from bench.parts.assembly import assembled
from bench.schema import Unfit

TEXT = """
import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(1e-6 * torch.ones(4, 1, 1))
        self.position = nn.Parameter(torch.randn(1, 4, 8, 8))

    def forward(self, x):
        return self.scale * x + self.position


def net(classes, activation=nn.SiLU, other=nn.Identity):
    head = nn.Flatten(), nn.Linear(256, classes)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), activation(), Scaled(), other(), *head)


def two(classes):
    return net(classes, other=nn.Tanh)


def dropping():
    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))


def same(classes):
    return net(classes, activation=nn.ReLU, other=lambda: nn.ReLU(inplace=True))
"""


@pytest.fixture
def model_of(write_module, runs_of, monkeypatch):
    """The model of a run of the module's net, and the function that makes it."""
    name = write_module(TEXT)

    def model_of(factory: str = "net", seed: int = 3, **words):
        keys = [f"{key.replace('__', '.')}={value}" for key, value in words.items()]
        (run,) = runs_of(f"model={name}:{factory}", f"seed={seed}", *keys)
        data = registry.build(run, "dataset")(Path(), False, seed)
        return assembled(run, data, 16).model, registry.find("model", f"{name}:{factory}")

    return model_of


@pytest.mark.parametrize("initializer", ["he_normal", "orthogonal", "torch_default"])
def test_a_model_of_ones_own_gets_what_initialize_gives_it_and_keeps_what_no_initializer_knows(model_of, initializer):
    model, factory = model_of(initializer=initializer)
    twin = initialize(factory(10), initializer, seed=3, others="keep").state_dict()
    assert all(torch.equal(value, twin[key]) for key, value in model.state_dict().items() if "position" not in key)
    assert torch.equal(model[3].scale, torch.full((4, 1, 1), 1e-6))


def test_what_its_constructor_draws_follows_the_seed_and_touches_no_global_generator(model_of):
    state = torch.get_rng_state()
    positions = [model_of(seed=seed)[0][3].position for seed in (3, 3, 4)]
    assert torch.equal(positions[0], positions[1])
    assert not torch.equal(positions[0], positions[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_gain_follows_the_activation_that_the_model_has(model_of):
    model, factory = model_of(initializer="he_normal", initializer__gain="auto")
    twin = initialize(factory(10), "he_normal", seed=3, others="keep", gain="auto", activation="silu")
    assert torch.equal(model[0].weight, twin[0].weight)
    model_of("same", initializer="he_normal", initializer__gain="auto")


def test_a_gain_of_several_activations_is_refused_and_a_number_is_not(model_of):
    with pytest.raises(Unfit, match=r"initializer.gain=auto follows one activation, and own_.*:two has SiLU, Tanh"):
        model_of("two", initializer__gain="auto")
    model_of("two", initializer__gain=1.5)


def test_an_asked_activation_is_the_one_that_the_gain_follows(model_of):
    model, factory = model_of(activation="tanh", initializer__gain="auto")
    assert isinstance(model[2], torch.nn.Tanh)
    twin = initialize(factory(10), "he_normal", seed=3, others="keep", gain="auto", activation="tanh")
    assert torch.equal(model[0].weight, twin[0].weight)


def test_a_model_that_is_fitted_and_drops_out_is_shipped_by_the_seed_from_the_first_call_on(model_of):
    first, _ = model_of("dropping", initializer="as_shipped")
    again, _ = model_of("dropping", initializer="as_shipped")
    assert first[4].out_features == 10  # classes of the run
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), again.parameters(), strict=True))
