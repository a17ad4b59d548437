"""The control draws another initializer's law, never its numbers."""

import pytest
import torch
from scipy import stats
from torch import nn

from bench import catalogue
from bench.parts.initializer.layers import layers
from bench.registry import find
from bench.schema import UserError

OPTIONS = catalogue.options("initializer")


def weights(name: str, seed: int = 0, **changed: str) -> torch.Tensor:
    model = nn.Sequential(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.Flatten(), nn.Linear(32, 10))
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    find("initializer", OPTIONS[name]["function"])(model, torch.Generator().manual_seed(seed), None, **arguments)
    return torch.cat([layer.weight.detach().flatten() for layer in layers(model)])


def test_a_seed_gives_other_weights_than_its_twin_and_always_the_same() -> None:
    assert torch.equal(weights("again"), weights("again"))
    assert not torch.equal(weights("again"), weights("again", seed=1))
    assert (weights("again") == weights("he_normal")).float().mean() < 0.01


@pytest.mark.parametrize("of", ["he_normal", "glorot_uniform"])
def test_the_weights_follow_the_law_of_the_twin(of: str) -> None:
    ours = torch.cat([weights("again", seed, of=of) for seed in range(5)])
    theirs = torch.cat([weights(of, seed) for seed in range(5)])
    assert stats.ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 1e-4


def test_a_constant_twin_is_repeated_to_the_last_bit() -> None:
    assert torch.equal(weights("again", of="zeros"), weights("zeros"))


def test_what_is_no_law_of_one_tensor_cannot_be_repeated() -> None:
    with pytest.raises(UserError, match="no law of one tensor is named 'fixup'"):
        weights("again", of="fixup")
