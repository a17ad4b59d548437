"""The models have the published architecture, for every shape, activation and normalization."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from omegaconf import OmegaConf
from torch import Tensor, nn

from bench import catalogue
from bench.parts.activation import relu, tanh
from bench.parts.model.block import FORMS, SubsampleAndPad
from bench.parts.normalization import batch, none
from bench.registry import find
from bench.schema import UserError

CONF = Path(__file__).parents[3] / "conf"
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 15, 15), (4, 9, 13)]


def names(word: str) -> list[str]:
    return sorted(path.stem for path in (CONF / word).glob("*.yaml"))


def option(word: str, name: str, **changed: Any) -> Callable[..., nn.Module]:
    choice = OmegaConf.to_container(OmegaConf.load(CONF / word / f"{name}.yaml"))
    arguments = catalogue.arguments(choice)
    return partial(find(word, choice["function"]), **(arguments | changed))


def images(shape: tuple[int, int, int] = (3, 32, 32), count: int = 2) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def branch_layers(net: nn.Module) -> list[nn.Module]:
    """Convolutions and linear layers in order, those of the shortcuts left out."""
    return [
        module
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and not re.search("shortcut|downsample|squeeze|excite", name)
    ]


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


# The public ResNet-20 for CIFAR-10 (akamaster/pytorch_resnet_cifar10), written down independently of bench


def public_state(generator: torch.Generator) -> dict[str, Tensor]:
    """Random numbers under the keys of the public model."""
    state: dict[str, Tensor] = {}

    def convolution_and_norm(prefix: str, index: int, c_in: int, c_out: int) -> None:
        state[f"{prefix}conv{index}.weight"] = torch.randn(c_out, c_in, 3, 3, generator=generator) / (3 * c_in**0.5)
        for key in ("weight", "bias", "running_mean"):
            state[f"{prefix}bn{index}.{key}"] = torch.randn(c_out, generator=generator)
        state[f"{prefix}bn{index}.running_var"] = 0.5 + torch.rand(c_out, generator=generator)
        state[f"{prefix}bn{index}.num_batches_tracked"] = torch.tensor(3)

    convolution_and_norm("", 1, 3, 16)
    c_in = 16
    for stage, c_out in enumerate((16, 32, 64), start=1):
        for block in range(3):
            convolution_and_norm(f"layer{stage}.{block}.", 1, c_in, c_out)
            convolution_and_norm(f"layer{stage}.{block}.", 2, c_out, c_out)
            c_in = c_out
    state["linear.weight"] = torch.randn(10, 64, generator=generator) / 8
    state["linear.bias"] = torch.randn(10, generator=generator)
    return state


def public_forward(state: dict[str, Tensor], x: Tensor, training: bool) -> Tensor:
    def convolved(x: Tensor, prefix: str, index: int, stride: int) -> Tensor:
        x = F.conv2d(x, state[f"{prefix}conv{index}.weight"], stride=stride, padding=1)
        mean, variance, weight, bias = (
            state[f"{prefix}bn{index}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean.clone(), variance.clone(), weight, bias, training)

    x = F.relu(convolved(x, "", 1, 1))
    for stage in (1, 2, 3):
        for block in range(3):
            stride = 2 if stage > 1 and block == 0 else 1
            prefix = f"layer{stage}.{block}."
            out = convolved(F.relu(convolved(x, prefix, 1, stride)), prefix, 2, 1)
            if stride == 2:
                quarter = out.shape[1] // 4
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter))
            x = F.relu(out + x)
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
def test_resnet20_takes_the_public_state_and_computes_the_public_function(training, layout):
    state = {
        key: value.double() if value.is_floating_point() else value
        for key, value in public_state(torch.Generator().manual_seed(0)).items()
    }
    net = (
        option("model", "resnet20")((3, 32, 32), 10, relu, batch, "sum")
        .double()
        .to(memory_format=layout)
        .train(training)
    )
    net.load_state_dict({key.replace("bn", "norm"): value for key, value in state.items()})
    x = images(count=4).double().contiguous(memory_format=layout)
    torch.testing.assert_close(net(x), public_forward(state, x, training))


def test_resnet20_has_the_published_number_of_parameters():
    assert parameters(option("model", "resnet20")((3, 32, 32), 10, relu, batch, "sum")) == 269_722


@pytest.mark.parametrize("name", [name for name in names("model") if re.fullmatch(r"(\w*res|plai)n(et)?\d+", name)])
def test_a_name_counts_the_weight_layers(name):
    net = option("model", name)((1, 8, 8), 10, relu, batch, "sum")
    assert f"{name.rstrip('0123456789')}{len(branch_layers(net))}" == name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "build",
    [
        option("model", "resnet14", width=4),
        option("model", "resnet14", width=5, shortcut="B"),
        option("model", "plain14", width=3),
    ],
)
def test_every_shape_gives_one_logit_per_class(build, shape):
    assert build(shape, 7, relu, batch, "sum")(images(shape)).shape == (2, 7)


@pytest.mark.parametrize(("name", "stem"), [("resnet18", "cifar"), ("resnet18", "imagenet"), ("resnet50", "cifar")])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 15, 15)])
def test_torchvision_resnets_take_small_images_of_any_channel_count(name, stem, shape):
    assert option("model", name, stem=stem)(shape, 7, relu, batch, "sum")(images(shape)).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_the_imagenet_stem_with_relu_and_batch_normalization_is_torchvisions_own(name):
    theirs = getattr(torchvision.models, name)(num_classes=10).eval()
    ours = option("model", name, stem="imagenet")((3, 64, 64), 10, relu, batch, "sum").eval()
    ours.load_state_dict(theirs.state_dict())
    x = images((3, 64, 64))
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_cifar_stem_keeps_the_size_of_the_image():
    net = option("model", "resnet18")((3, 32, 32), 10, relu, batch, "sum")
    sizes = []
    net.layer1.register_forward_hook(lambda module, inputs, out: sizes.append(out.shape))
    net(images())
    assert sizes == [(2, 64, 32, 32)]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvision_resnets_use_the_activation_of_the_run_and_no_other(name):
    net = option("model", name)((3, 8, 8), 10, tanh, batch, "sum")
    assert not any(isinstance(module, nn.ReLU) for module in net.modules())
    blocks = sum(len(getattr(net, f"layer{index}")) for index in (1, 2, 3, 4))
    assert sum(isinstance(module, nn.Tanh) for module in net.modules()) == blocks + 1


@pytest.mark.parametrize("norm", names("normalization"))
@pytest.mark.parametrize("activation", names("activation"))
@pytest.mark.parametrize("model", ["resnet8", "plain8"])
def test_every_activation_goes_with_every_normalization(model, activation, norm):
    net = option("model", model, width=8)(
        (1, 8, 8), 10, option("activation", activation), option("normalization", norm), "sum"
    )
    assert net(images((1, 8, 8))).isfinite().all()


@pytest.mark.parametrize("model", ["resnet14", "plain14"])
def test_each_use_of_the_activation_is_a_module_of_its_own(model):
    made: list[nn.Module] = []

    def activation() -> nn.Module:
        made.append(nn.Tanh())
        return made[-1]

    net = option("model", model, width=4)((1, 8, 8), 10, activation, batch, "sum")
    assert {module for module in net.modules() if isinstance(module, nn.Tanh)} == set(made)
    assert len(made) == 13  # one after each convolution


@pytest.mark.parametrize("model", ["resnet8", "plain8", "resnet18", "resnet50"])
@pytest.mark.parametrize(("norm", "bias"), [(batch, False), (none, True)])
def test_convolutions_have_a_bias_only_without_normalization(model, norm, bias):
    found = convolutions(option("model", model)((1, 8, 8), 10, relu, norm, "sum"))
    assert {convolution.bias is not None for convolution in found} == {bias}


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_plain_net_is_the_resnet_without_its_shortcuts(shortcut):
    plain = option("model", "plain20")((3, 32, 32), 10, relu, batch, "sum")
    residual = option("model", "resnet20", shortcut=shortcut)((3, 32, 32), 10, relu, batch, "sum")
    assert list(map(str, branch_layers(plain))) == list(map(str, branch_layers(residual)))
    assert (parameters(plain) == parameters(residual)) is (shortcut == "A")


def test_without_its_branches_a_resnet_still_passes_its_input_and_a_plain_net_does_not():
    nets = [option("model", name, width=4)((1, 8, 8), 10, relu, batch, "sum") for name in ("resnet8", "plain8")]
    varies = []
    for net in nets:
        for name, module in net.named_modules():
            if name.endswith("norm2"):
                nn.init.zeros_(module.weight)
        varies.append(bool(net(images((1, 8, 8))).std(0).max() > 1e-6))
    assert varies == [True, False]


def test_projection_shortcuts_stand_only_where_the_shape_changes():
    net = option("model", "resnet20", shortcut="B")((3, 32, 32), 10, relu, batch, "sum")
    assert [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d) and "shortcut" in name] == [
        "layer2.0.shortcut.0",
        "layer3.0.shortcut.0",
    ]


def test_shortcut_a_takes_every_second_pixel_and_centres_the_channels():
    x = images((3, 5, 7))
    out = SubsampleAndPad(3, 6, 2)(x)
    assert torch.equal(out[:, 1:4], x[:, :, ::2, ::2])
    assert not out[:, [0, 4, 5]].any()


def test_the_gradient_through_shortcut_a_keeps_the_layout():
    x = images((4, 8, 8)).contiguous(memory_format=torch.channels_last).requires_grad_()
    (gradient,) = torch.autograd.grad(SubsampleAndPad(4, 8, 2)(x).square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("norm", [batch, none])
@pytest.mark.parametrize(
    "build",
    [
        option("model", "resnet8"),
        option("model", "resnet8", shortcut="B"),
        option("model", "plain8"),
        option("model", "resnet18"),
        option("model", "resnet18", stem="imagenet"),
        option("model", "resnet50"),
    ],
)
def test_the_gradient_reaches_every_parameter(build, norm):
    torch.manual_seed(0)
    net = build((1, 16, 16), 10, tanh, norm, "sum")
    F.cross_entropy(net(images((1, 16, 16), count=4)), torch.tensor([0, 1, 2, 3])).backward()
    assert [name for name, parameter in net.named_parameters() if not parameter.grad.any()] == []


@pytest.mark.parametrize(
    ("name", "wrong", "sentence"),
    [
        ("resnet20", {"depth": 21}, r"depth 21 is not 6n\+2.*20 and 26"),
        ("resnet20", {"depth": 2}, r"depth 2 is not 6n\+2.*8 and 14"),
        ("plain20", {"depth": 18}, r"depth 18 is not 6n\+2.*14 and 20"),
        ("resnet20", {"shortcut": "C"}, "no shortcut is named 'C'.*A, B"),
        ("resnet18", {"depth": 20}, "no depth 20; take 18, 34, 50"),
        ("resnet18", {"stem": "cifar10"}, "no stem is named 'cifar10'.*cifar, deep, deep_tiered, imagenet"),
    ],
)
def test_a_net_that_does_not_exist_is_refused_with_the_options(name, wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        option("model", name, **wrong)((3, 32, 32), 10, relu, batch, "sum")


# Other forms of residual block than the sum


def block(residual: str, norm: Callable[[int], nn.Module] = none) -> nn.Module:
    """The second block of the second stage: its shortcut is the identity."""
    torch.manual_seed(0)
    net = option("model", "resnet14", width=4)((1, 8, 8), 10, tanh, norm, residual)
    return net.layer2[1]


def features() -> Tensor:
    return images((8, 4, 4))


def branch_of(net: nn.Module, x: Tensor) -> Tensor:
    return net.conv2(torch.tanh(net.conv1(x)))


@pytest.mark.parametrize(
    ("residual", "formula"),
    [
        ("sum", lambda x, f, alpha: torch.tanh(x + f)),
        ("scalar", lambda x, f, alpha: torch.tanh(x + alpha * f)),
        ("rezero", lambda x, f, alpha: x + alpha * torch.tanh(f)),
        ("average", lambda x, f, alpha: torch.tanh((x + f) / 2**0.5)),
    ],
)
def test_a_block_joins_its_branch_by_its_formula(residual, formula):
    net, x = block(residual), features()
    if hasattr(net, "alpha"):
        nn.init.constant_(net.alpha.value, 0.3)
    torch.testing.assert_close(net(x), formula(x, branch_of(net, x), 0.3))


def test_a_fixup_block_is_the_published_one():
    net, x = block("fixup"), features()
    numbers = {"bias1a": 0.1, "bias1b": -0.2, "bias2a": 0.3, "bias2b": -0.4, "scale": 1.5}
    for name, number in numbers.items():
        nn.init.constant_(getattr(net, name).value, number)
    inner = torch.tanh(F.conv2d(x + 0.1, net.conv1.weight, padding=1) - 0.2)
    branch = 1.5 * F.conv2d(inner + 0.3, net.conv2.weight, padding=1) - 0.4
    torch.testing.assert_close(net(x), torch.tanh(x + branch))


def test_a_fixup_net_has_numbers_in_place_of_biases():
    net = option("model", "resnet20")((3, 32, 32), 10, relu, none, "fixup")
    assert not any(convolution.bias is not None for convolution in convolutions(net))
    weights = sum(module.weight.numel() for module in branch_layers(net))
    blocks = 9
    assert parameters(net) == weights + 10 + 5 * blocks + 2  # the linear layer's biases, the numbers in and outside


@pytest.mark.parametrize("norm", [batch, none])
@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("residual", FORMS)
def test_every_form_trains(residual, shortcut, norm):
    torch.manual_seed(0)
    net = option("model", "resnet8", width=4, shortcut=shortcut)((1, 8, 8), 4, tanh, norm, residual)
    x, labels = images((1, 8, 8), count=8), torch.arange(8) % 4
    start, optimizer = [parameter.clone() for parameter in net.parameters()], torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        losses.append(F.cross_entropy(net(x), labels))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert all((old != new).any() for old, new in zip(start, net.parameters(), strict=True))


@pytest.mark.parametrize("residual", FORMS)
def test_a_form_changes_no_weight_that_it_shares_with_the_sum(residual):
    def shapes(form: str) -> dict[str, torch.Size]:
        net = option("model", "resnet14")((3, 8, 8), 10, relu, batch, form)
        return {name: value.shape for name, value in net.state_dict().items() if not name.endswith(".value")}

    assert shapes(residual) == shapes("sum")


@pytest.mark.parametrize("name", ["plain8", "resnet18"])
def test_a_model_without_the_form_names_those_that_have_it(name):
    with pytest.raises(UserError, match=r"residual=fixup is not for this model.*model=.*resnet110.*resnet20"):
        option("model", name)((3, 32, 32), 10, relu, batch, "fixup")


def test_an_unknown_form_is_refused_with_the_options():
    with pytest.raises(UserError, match=r"no residual is named 'product'.*average, fixup, rezero, scalar, sum"):
        option("model", "resnet8")((3, 32, 32), 10, relu, batch, "product")
