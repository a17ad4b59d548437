"""What can't train in a pack as it does alone is found before anything is trained; all else can."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from bench.train import engine, stackable

EXACT = torch.autocast("cpu", torch.bfloat16, enabled=False)
BATCH = torch.linspace(-1, 1, 5 * 3 * 16).view(5, 3, 4, 4), torch.arange(5)


class Drawing(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def forward(self, images):
        return images * (1 + self.draw())


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return images / self.calls


class CountingLate(nn.Module):
    calls = 0

    def forward(self, images):
        self.calls = self.calls + 1
        return images / self.calls


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(4, 4)

    def forward(self, images):
        return images * self.mask


class Growing(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", None)

    def forward(self, images):
        self.mean = images.mean()
        return images - self.mean


class Branching(nn.Module):
    def forward(self, images):
        return images if images.sum() > 0 else -images


OBSTACLES = {
    "dropout": (nn.Dropout(), "it draws random numbers as it trains, as dropout does"),
    "random": (Drawing(random.random), "it draws random numbers"),
    "numpy": (Drawing(lambda: np.random.rand()), "it draws random numbers"),  # noqa: NPY002
    "a generator of its own": (Drawing(lambda: torch.rand((), generator=torch.Generator())), "random operation"),
    "a count": (Counting(), r"it keeps 0\.calls, which is neither a parameter nor a buffer"),
    "a new count": (CountingLate(), r"it keeps 0\.calls, which"),
    "a tensor": (Masked(), r"it keeps 0\.mask, which"),
    "a computed tensor": (nn.utils.spectral_norm(nn.Conv2d(3, 3, 1)), r"it keeps 0\.weight, which"),
    "a new buffer": (Growing(), r"it makes buffers as it trains: 0\.mean"),
    "a choice": (Branching(), "data-dependent control flow"),
    "momentum=None": (nn.BatchNorm2d(3, momentum=None), "BatchNorm with momentum=None"),
}


def net(layer):
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(48, 5))


@pytest.mark.parametrize(("layer", "sentence"), OBSTACLES.values(), ids=OBSTACLES.keys())
def test_an_obstacle_is_named_and_nothing_is_changed(layer, sentence):
    model = net(layer)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    with pytest.raises(RuntimeError, match=sentence):
        stackable.check(model, *BATCH, engine.builder(EXACT))
    torch.testing.assert_close(model.state_dict(), weights, rtol=0, atol=0)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[:2]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


class Remembering(nn.Module):
    def forward(self, images):
        self.size = tuple(images.shape)
        self.pixels = images[0].numel()
        return images


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.InstanceNorm2d(3), nn.PReLU(), Remembering()])
def test_without_an_obstacle_nothing_is_raised(layer):
    stackable.check(net(layer), *BATCH, engine.builder(EXACT))
