"""A pack moves the bytes that its runs move alone, in the same layout and precision."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench import registry
from bench.parts.assembly import assembled
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
    """Two models of these parts, and the images and labels of each; the same at each call."""

    def pair(norm, activation):
        torch.manual_seed(0)
        models = [net(NORMS[norm], ACTIVATIONS[activation]) for _ in range(2)]
        images, labels = torch.randn(2, 32, 3, 8, 8), torch.randint(10, (2, 32))
        return models, images, labels

    return pair


def alone(models, images, labels, autocast):
    batches = zip(models, images[:, None], labels[:, None], strict=True)
    return torch.cat([engine.Alone(model, autocast).losses(*batch) for model, *batch in batches])


def gradients(models):
    return [torch.cat([parameter.grad.flatten() for parameter in model.parameters()]) for model in models]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_step_of_a_pack_in_bf16_is_that_of_each_run_alone(pair, norm, activation):
    models, *batches = pair(norm, activation)
    apart, *_ = pair(norm, activation)
    pack = engine.Stacked(models, BF16)
    with Precisions() as together:
        losses = pack.losses(*batches)
    pack.hand_out()
    with Precisions() as each:
        expected = alone(apart, *batches, BF16)
    assert together.found == each.found == {"convolution": {torch.bfloat16}, "mm": {torch.bfloat16}}
    # sums of another order round a few numbers to their neighbour in bf16
    torch.testing.assert_close(losses, expected, rtol=1e-3, atol=0)
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
    batches = torch.randn(2, 5, 3, 8, 8), torch.zeros(2, 5, dtype=torch.int64)
    with Precisions() as found:
        losses = engine.Stacked(models, BF16).losses(*batches)
    assert found.found["convolution"] == {torch.float32}
    torch.testing.assert_close(losses, alone(models, *batches, EXACT))


class Traffic(TorchDispatchMode):
    """Counts operators other than views, and the bytes that they read and write; notes what convolutions are given."""

    def __init__(self):
        super().__init__()
        self.operators, self.bytes, self.convolutions = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if not any(one.alias_info and not one.alias_info.is_write for one in function._schema.arguments):
            tensors = [one for one in tree_leaves((args, kwargs, found)) if isinstance(one, torch.Tensor)]
            self.operators += 1
            self.bytes += sum(one.nbytes for one in tensors)
        if "convolution" in str(function):
            images, weight = [one for one in args if isinstance(one, torch.Tensor) and one.ndim == 4][-2:]
            last = [one.is_contiguous(memory_format=torch.channels_last) for one in (images, weight)]
            self.convolutions.add((images.dtype, weight.dtype, *last))
        return found


def traffic(model, shape, runs, autocast):
    """Of the losses and gradients of a pack of copies of the model; of the model alone for one run."""
    device = next(model.parameters()).device
    images, labels = torch.ones(runs, 8, *shape, device=device), torch.zeros(runs, 8, dtype=torch.int64, device=device)
    losses = engine.builder(autocast)([engine.copied(model) for _ in range(runs)]).losses
    with Traffic() as counted:
        losses(images, labels)
    return counted


def model_of(runs_of, machine, *overrides):
    (run,) = runs_of("dataset=synthetic", "batch_size=8", *overrides)
    model, _ = assembled(run, registry.build(run, "dataset")(machine.data, False, 0), 8)
    return model.to(memory_format=torch.channels_last)


class Pooled(nn.Sequential):
    """A net that pools by the largest pixel."""

    def __init__(self):
        wide = [nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(*stem, *wide, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


@pytest.mark.parametrize("runs", [2, 8])
@pytest.mark.parametrize("model", ["resnet20", "preact_resnet20", "plain20", "with a pool"])
def test_a_run_of_a_pack_moves_hardly_more_bytes_than_alone(runs_of, machine, model, runs):
    net = Pooled() if model == "with a pool" else model_of(runs_of, machine, f"model={model}", "dataset.size=32")
    net = net.to("meta", memory_format=torch.channels_last)
    alone, pack = (traffic(net, (3, 32, 32), count, EXACT) for count in (1, runs))
    assert pack.bytes / runs < 1.05 * alone.bytes
    assert pack.operators < alone.operators + 40  # for all runs together; each norm apart would be seven more
    assert pack.convolutions == alone.convolutions


@pytest.mark.parametrize("autocast", [EXACT, BF16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16)])
def test_the_convolutions_of_a_pack_have_the_layout_and_the_precision_of_a_run_alone(runs_of, machine, shape, autocast):
    channels, side, _ = shape
    images = (f"dataset.channels={channels}", f"dataset.size={side}")
    net = model_of(runs_of, machine, "model=resnet8", "model.width=8", *images)
    alone, pack = (traffic(net, shape, runs, autocast) for runs in (1, 4))
    assert pack.convolutions == alone.convolutions
    assert {dtype for dtype, *_ in pack.convolutions} == {torch.bfloat16 if autocast is BF16 else torch.float32}
    assert all(last for *_, last, _ in pack.convolutions)
