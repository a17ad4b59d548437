"""A net that is given the state of a public library's computes what the library's net computes.

The library's parameters come in the same order under other names. Each library is an oracle of the extra `oracle`.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import catalogue
from bench.registry import find

OPTIONS = catalogue.options("model")


def ours(name: str, state: dict[str, Tensor], shape=(3, 32, 32), norm=nn.BatchNorm2d, **changed: Any) -> nn.Module:
    """The net with another's state, the values of which are random and not those that a fresh net starts from."""
    arguments = catalogue.arguments(OPTIONS[name]) | changed
    net = find("model", OPTIONS[name]["function"])(shape, 10, nn.ReLU, norm, "sum", **arguments)
    own, theirs = net.state_dict(), list(state.values())
    assert [one.numel() for one in own.values()] == [one.numel() for one in theirs]
    net.load_state_dict({key: value.view_as(own[key]) for key, value in zip(own, theirs, strict=True)})
    return net.eval()


def randomized(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for key, value in net.state_dict().items():
        if value.dim() < 2 and value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
        if key.endswith("bias"):
            value.normal_(generator=generator)
    return net.eval()


def images(size: int = 32) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


# by name, a net of pytorchcv and what makes ours its size: He's first activation comes before the split, which
# pytorchcv leaves out where the first shortcut is the identity, as in preact_resnet110
CIFAR: dict[str, tuple[str, dict[str, Any]]] = {
    "preact_resnet164": ("preresnet164bn_cifar10", {}),
    "resnet164": ("resnet164bn_cifar10", {}),
    "se_resnet20": ("seresnet20_cifar10", {}),
    "se_resnet110": ("seresnet110_cifar10", {}),
    "wrn16_8": ("wrn16_10_cifar10", {"widen": 10}),
    "resnext29_16x64d": ("resnext29_32x4d_cifar10", {"cardinality": 32, "base_width": 4}),
}


@pytest.mark.parametrize("name", CIFAR)
def test_a_cifar_net_is_that_of_pytorchcv(name):
    theirs, changed = CIFAR[name]
    provider = pytest.importorskip("pytorchcv.model_provider")
    net = randomized(provider.get_model(theirs))
    torch.testing.assert_close(ours(name, net.state_dict(), **changed)(images()), net(images()))


TIMM = {"resnet26d": {}, "resnet50d": {}, "resnet26t": {"stem": "deep_tiered"}, "se_resnet50": {"stem": "imagenet"}}


@pytest.mark.parametrize("name", TIMM)
def test_a_variant_of_the_imagenet_nets_is_that_of_timm(name):
    timm = pytest.importorskip("timm")
    net = randomized(timm.create_model(name.replace("se_", "se"), num_classes=10))
    option = name if name in OPTIONS else "resnet26d"
    torch.testing.assert_close(
        ours(option, net.state_dict(), (3, 64, 64), **TIMM[name])(images(64)), net(images(64)), rtol=1e-4, atol=1e-3
    )
