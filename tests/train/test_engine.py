"""The engine computes the losses and gradients of several models as of each alone, whatever they are made of."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.train import engine

EXACT = torch.autocast("cpu", torch.bfloat16, enabled=False)


def test_a_model_that_would_draw_other_numbers_in_a_pack_is_refused():
    models = [nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 2)) for _ in range(2)]
    images, labels = torch.ones(2, 3, 1, 2, 2), torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="random"):
        engine.Stacked(models, EXACT).losses(images, labels)
    assert engine.Alone(models[0], EXACT).losses(images[:1], labels[:1]).shape == (1,)


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_frozen_or_unused_has_no_gradient_alone_or_in_a_pack(size):
    models = [Partly() for _ in range(size)]
    built = engine.builder(EXACT)(models)
    built.losses(torch.ones(size, 3, 2, 2, 2), torch.zeros(size, 3, dtype=torch.int64))
    built.hand_out()
    for model in models:
        assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == ["learnt.weight"]


class Partly(nn.Module):
    """A linear map that learns, one that is frozen, and one that nothing depends on."""

    def __init__(self):
        super().__init__()
        self.learnt, self.frozen, self.unused = (nn.Conv2d(2, 2, 2, bias=False) for _ in range(3))
        self.frozen.requires_grad_(False)

    def forward(self, images):
        return self.learnt(F.pad(self.frozen(images), (0, 1, 0, 1))).flatten(1)


class Tied(nn.Module):
    """Two convolutions with one kernel, and two norms with one running mean."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))
        self.double()  # which would untie buffers
        self.second.weight = self.first.weight
        self.norms[1].running_mean = self.norms[0].running_mean

    def forward(self, images):
        hidden = self.norms[0](self.first(images)).relu()
        return self.norms[1](self.second(hidden)).mean((2, 3))


class Counting(nn.Module):
    """Buffers of several kinds: a count written into, one replaced, and a mean that the output depends on."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Conv2d(2, 2, 1)
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("steps", torch.tensor(3, dtype=torch.int32), persistent=False)
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, images):
        self.images += len(images)
        self.steps = self.steps + 1
        self.mean = self.mean + (images.mean((0, 2, 3)) - self.mean) / self.steps
        return self.linear(images - self.mean[:, None, None]).mean((2, 3))


def steps(kind, shape, stack):
    """Three of these models after five steps of SGD, in a pack or alone, with their last losses."""
    torch.manual_seed(0)
    models = [kind().double() for _ in range(3)]
    optimizers = [torch.optim.SGD(model.parameters(), 0.1 * (1 + place)) for place, model in enumerate(models)]
    engines = [engine.Stacked(models, EXACT)] if stack else [engine.Alone(one, EXACT) for one in models]
    for _ in range(5):
        images, labels = torch.randn(3, 4, *shape, dtype=torch.float64), torch.randint(2, (3, 4))
        shares = [slice(None)] if stack else [slice(place, place + 1) for place in range(3)]
        losses = torch.cat([one.losses(images[of], labels[of]) for one, of in zip(engines, shares, strict=True)])
        for one in engines:
            one.hand_out()
        for optimizer in optimizers:
            optimizer.step()
    return models, losses


@pytest.mark.parametrize(("kind", "shape"), [(Tied, (3, 4, 4)), (Counting, (2, 3, 3))])
def test_tied_parameters_and_buffers_of_any_kind_are_those_of_the_run_alone(kind, shape):
    together, losses = steps(kind, shape, stack=True)
    apart, expected = steps(kind, shape, stack=False)
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=0)
    for ours, theirs in zip(together, apart, strict=True):
        torch.testing.assert_close(dict(ours.named_parameters()), dict(theirs.named_parameters()), rtol=1e-10, atol=0)
        torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), rtol=1e-10, atol=1e-15)
    if kind is Tied:
        one = together[1]
        assert one.first.weight is one.second.weight
        assert one.norms[0].running_mean is one.norms[1].running_mean


def test_models_that_differ_outside_their_tensors_are_not_stacked():
    models = [nn.Sequential(nn.LeakyReLU(slope)) for slope in (0.1, 0.1, 0.2)]
    engine.Stacked(models[:2], EXACT)
    with pytest.raises(RuntimeError, match=r"differ outside their parameters and buffers, in 0\.negative_slope"):
        engine.Stacked(models, EXACT)
