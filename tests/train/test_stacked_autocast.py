"""In bf16 a pack computes what each of its runs computes alone, in the same precision."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.train import engine

EXACT, BF16 = (torch.autocast("cpu", torch.bfloat16, enabled=enabled) for enabled in (False, True))
NORMS = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(2, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True, track_running_stats=True),
    "none": lambda channels: nn.Identity(),
}
ACTIVATIONS = {"relu": nn.ReLU, "prelu": nn.PReLU, "gelu": nn.GELU}


class Precisions(TorchDispatchMode):
    """Collects the precisions in which convolutions and matrix products are computed."""

    def __init__(self):
        super().__init__()
        self.found = {"convolution": set(), "mm": set()}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for word, found in self.found.items():
            if word in str(function):
                found |= {one.dtype for one in args if isinstance(one, torch.Tensor)}
        return function(*args, **(kwargs or {}))


def net(norm, activation):
    """Convolutions of both kinds, norms, activations and linear maps, with biases of 0: adding them rounds nothing."""
    layers = [
        *(nn.Conv2d(3, 8, 3, padding=1), norm(8), activation()),
        *(nn.ConvTranspose2d(8, 4, 2, stride=2), norm(4), activation(), nn.AdaptiveAvgPool2d(4)),
        *(nn.Flatten(), nn.Linear(64, 16), activation(), nn.Linear(16, 10)),
    ]
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers).train()


@pytest.fixture
def pair():
    """Two models of these parts, and a batch for each; the same at each call."""

    def pair(norm, activation):
        torch.manual_seed(0)
        models = [net(NORMS[norm], ACTIVATIONS[activation]) for _ in range(2)]
        images, labels = torch.randn(2, 32, 3, 8, 8), torch.randint(10, (2, 32))
        return models, [engine.Batch(*one, 0.0) for one in zip(images, labels, strict=True)]

    return pair


def alone(models, batches, autocast):
    return [
        engine.Alone(model, autocast, False).losses([batch])[0] for model, batch in zip(models, batches, strict=True)
    ]


def gradients(models):
    return [torch.cat([parameter.grad.flatten() for parameter in model.parameters()]) for model in models]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_step_of_a_pack_in_bf16_is_that_of_each_run_alone(pair, norm, activation):
    models, batches = pair(norm, activation)
    apart, _ = pair(norm, activation)
    with Precisions() as together:
        losses = engine.Stacked(models, BF16, False).losses(batches)
    with Precisions() as each:
        expected = alone(apart, batches, BF16)
    assert together.found == each.found == {"convolution": {torch.bfloat16}, "mm": {torch.bfloat16}}
    # sums of another order round a few numbers to their neighbour in bf16
    torch.testing.assert_close(torch.stack(losses), torch.stack(expected), rtol=1e-3, atol=0)
    for ours, theirs in zip(gradients(models), gradients(apart), strict=True):
        assert (ours - theirs).norm() < 0.02 * theirs.norm()
    for ours, theirs in zip(models, apart, strict=True):
        torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), rtol=1e-3, atol=1e-4)


def test_where_a_model_computes_in_float32_within_autocast_so_does_a_pack():
    class Wide(nn.Sequential):
        def forward(self, images):
            with torch.autocast("cpu", enabled=False):
                return super().forward(images)

    models = [Wide(nn.Conv2d(3, 4, 8), nn.Flatten()) for _ in range(2)]
    batches = [engine.Batch(torch.randn(5, 3, 8, 8), torch.zeros(5, dtype=torch.int64), 0.0)] * 2
    with Precisions() as found:
        losses = engine.Stacked(models, BF16, False).losses(batches)
    assert found.found["convolution"] == {torch.float32}
    torch.testing.assert_close(losses, alone(models, batches, EXACT))
