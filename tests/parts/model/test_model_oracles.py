"""A net that is given the state of a public library's computes what the library's net computes.

The library's parameters come in the same order under other names. Each library is an oracle of the extra `oracle`.
"""

import re
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import catalogue
from bench.parts.gain import gain
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


NF_NAMES = {  # of the parameters in timm's blocks -> in ours; a convolution has its gain and bias in ours' norm
    "stem.conv.": "conv1.",
    "stages.": "layer",
    "downsample.conv.": "shortcut.1.",
    "head.fc.": "linear.",
}


def norm_free_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's state under our names."""
    found = {}
    for key, value in state.items():
        name = key
        for old, new in NF_NAMES.items():
            name = name.replace(old, new)
        if name.startswith("layer"):
            name = f"layer{int(name[5]) + 1}{name[6:]}"
        if key.startswith("head") or name.endswith("weight"):
            found[name] = value
        else:
            convolution, _, kind = name.rpartition(".")
            norm = convolution.replace("shortcut.1", "shortcut.2").replace("conv", "norm")
            found[f"{norm}.{'weight' if kind == 'gain' else 'bias'}"] = value.flatten()
    return found


@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU])
def test_an_nf_resnet_is_that_of_timm(activation):
    timm = pytest.importorskip("timm")
    name = activation.__name__.lower()
    net = timm.create_model("nf_resnet26", num_classes=10, gamma_in_act=True, act_layer=name)
    for key, value in net.state_dict().items():
        value.normal_(generator=torch.Generator().manual_seed(len(key)))
        value.mul_(0.3 if key.startswith("head") else 1)
    for module in net.modules():
        if hasattr(module, "gamma"):
            module.gamma = gain(activation(), "variance")  # timm's is from a sample, 0.06 % off
    option = OPTIONS["nf_resnet26"]
    arguments = catalogue.arguments(option) | {"stem": "imagenet"}
    norm = partial(find("normalization", "scaled_weight_standardization"), gamma=1.0)
    own = find("model", option["function"])((3, 64, 64), 10, activation, norm, "sum", **arguments).eval()
    own.load_state_dict(norm_free_state(net.state_dict()))
    torch.testing.assert_close(own(images(64)), net.eval()(images(64)), rtol=1e-3, atol=1e-3)


CONVNEXT_NAMES = {  # of the parameters in timm's net -> in ours
    r"stages\.(\d)\.downsample\.(\d)": lambda found: f"layer{int(found[1]) + 1}.{found[2]}",
    r"stages\.(\d)\.blocks\.(\d)": lambda found: f"layer{int(found[1]) + 1}.{int(found[2]) + 2 * (found[1] != '0')}",
    "conv_dw": "depthwise",
    r"mlp\.fc": "conv",
    "gamma": "scale.value",
    r"head\.norm": "norm",
    r"head\.fc": "linear",
}


def test_a_convnext_is_that_of_timm():
    timm = pytest.importorskip("timm")
    net = randomized(timm.create_model("convnext_femto", num_classes=10))
    option, state = OPTIONS["convnext_femto"], {}
    for key, value in net.state_dict().items():
        name = key
        for old, new in CONVNEXT_NAMES.items():
            name = re.sub(old, new, name)
        state[name] = value
    arguments = catalogue.arguments(option) | {"patch": 4}
    own = find("model", option["function"])(
        (3, 64, 64), 10, nn.GELU, find("normalization", "layer2d"), "sum", **arguments
    )
    own.load_state_dict(state)
    torch.testing.assert_close(own.eval()(images(64)), net(images(64)), rtol=1e-4, atol=1e-4)
