"""One rule says which modules are norms, torch's and a user's, and every initializer starts them alike."""

from functools import partial

import pytest
import torch
from torch import nn

from bench import catalogue, initialize
from bench.parts.dataset.tensors import Split
from bench.parts.gain import resolved
from bench.parts.initializer.norms import cancels_scale, forget, is_norm, restart, restarts, standardizes
from bench.registry import find
from bench.schema import UserError

TORCHS = [
    nn.BatchNorm1d(6),
    nn.BatchNorm2d(6),
    nn.BatchNorm3d(6),
    nn.SyncBatchNorm(6),
    nn.GroupNorm(2, 6),
    nn.LayerNorm(6),
    nn.LayerNorm((6, 4, 4)),
    nn.InstanceNorm1d(6),
    nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    nn.InstanceNorm3d(6),
    nn.RMSNorm(6),
    nn.LocalResponseNorm(3),
]


class Own(nn.Module):
    """A user's module with a weight and a bias per channel."""

    def __init__(self, channels: int = 6):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))


class PerPixel(Own):
    """The norm of ConvNeXt's published code: over the channels, which come second."""

    def forward(self, x):
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-6).sqrt()
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class RootMeanSquare(nn.Module):
    """The norm of a language model: channels last, no bias."""

    def __init__(self, channels: int = 6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return self.weight * x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


class Scale(Own):
    """A scale and a shift, which normalise nothing."""

    def forward(self, x):
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class OnePlus(RootMeanSquare):
    """A norm whose weight starts at 0: its factor is 1 + weight."""

    def forward(self, x):
        return (1 + self.weight) * x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


@pytest.mark.parametrize("norm", TORCHS, ids=str)
def test_torchs_norms_are_norms_and_so_is_what_extends_them(norm):
    assert is_norm(norm)
    extended = type("Extended", (type(norm),), {})
    assert is_norm(extended.__new__(extended))


@pytest.mark.parametrize("norm", [PerPixel(), RootMeanSquare(), PerPixel(1024)])
def test_a_users_norm_is_known_by_what_it_does(norm):
    assert is_norm(norm)
    assert cancels_scale(norm)


OTHERS = [
    Scale(),
    OnePlus(),
    nn.PReLU(6),
    nn.PReLU(),
    nn.Conv2d(6, 6, 1),
    nn.Linear(6, 6),
    nn.ReLU(),
    nn.Embedding(4, 6),
]


@pytest.mark.parametrize("module", OTHERS, ids=lambda module: type(module).__name__)
def test_other_modules_are_none_and_are_not_changed(module):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert not is_norm(module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_local_response_norm_keeps_the_scale_of_small_values():
    assert not cancels_scale(nn.LocalResponseNorm(3))


@pytest.mark.parametrize("norm", [*TORCHS[:-1], PerPixel(), RootMeanSquare()], ids=str)
def test_a_restarted_norm_is_a_new_one(norm):
    fresh = {name: value.clone() for name, value in norm.state_dict().items()}
    for value in norm.state_dict().values():
        value.fill_(7)
    assert restarts(norm)
    with torch.no_grad():
        restart(norm)
    torch.testing.assert_close(norm.state_dict(), fresh, rtol=0, atol=0)


def test_a_norm_forgets_its_statistics_and_keeps_its_weight():
    norm = nn.BatchNorm2d(6)
    for value in norm.state_dict().values():
        value.fill_(7)
    forget(norm)
    assert (norm.running_mean == 0).all()
    assert (norm.running_var == 1).all()
    assert norm.num_batches_tracked == 0
    assert (norm.weight == 7).all()


@pytest.mark.parametrize("name", ["he_normal", "torch_default", "lsuv"])
def test_a_users_norm_needs_no_reset_of_its_own(name):
    net = nn.Sequential(nn.Conv2d(3, 6, 3), PerPixel(), nn.ReLU(), nn.Conv2d(6, 4, 3))
    nn.init.constant_(net[1].weight, 5)
    initialize(net, name, batch=torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert (net[1].weight == 1).all()
    assert (net[1].bias == 0).all()


def test_lsuv_leaves_the_layer_before_a_users_norm_orthonormal():
    net = nn.Sequential(nn.Conv2d(3, 6, 3), PerPixel(), nn.ReLU(), nn.Conv2d(6, 4, 3))
    initialize(net, "lsuv", batch=torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    rows = net[0].weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(6), rtol=0, atol=1e-5)


def test_a_users_norm_that_ends_a_branch_is_what_zero_gamma_sets():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 6, 3, padding=1), PerPixel()

        def forward(self, x):
            return x + self.norm(self.conv(x))

    block = initialize(nn.Sequential(Residual()), "zero_gamma")[0]
    assert (block.norm.weight == 0).all()


# Weight standardization

STRUCTURED = ["orthogonal", "delta_orthogonal", "dirac", "constant", "sparse", "sinusoidal"]  # what centring would undo
SCALING = ["lsuv", "lsuv_port", "data_dependent_norm", "fixup", "arpit", "taki", "idinit", "looks_linear"]


class Standardized(nn.Conv2d):
    """A user's convolution with weight standardization."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


class Doubled(nn.Conv2d):
    """A user's convolution that keeps the scale of its weight."""

    def forward(self, x):
        return 2 * super().forward(x)


class Wants(nn.Conv2d):
    """A user's convolution that takes more than one input."""

    def forward(self, x, y):
        return super().forward(x) + y


def test_a_layer_that_undoes_the_scale_of_its_weight_is_known_by_what_it_does():
    kinds = (Standardized, Doubled, Wants, nn.Conv2d)
    assert [standardizes(kind(4, 6, 3, groups=2)) for kind in kinds] == [True, False, False, False]
    assert not standardizes(nn.Linear(3, 4))


@pytest.mark.parametrize("name", [*STRUCTURED, *SCALING])
def test_a_law_that_standardized_weights_would_undo_is_refused_and_the_model_left_as_it_was(name):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = Standardized(4, 4, 3, padding=1), Standardized(4, 4, 3, padding=1)

        def forward(self, x):
            return x + self.two(self.one(x))

    net = nn.Sequential(nn.Conv2d(2, 4, 3), Block(), nn.Flatten(), nn.Linear(64, 4))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    batch = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UserError, match=f"{name} sets the scale .*take a normalization without weight standardization"):
        initialize(net, name, batch=batch, **({"residual": "sum"} if name == "fixup" else {}))
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["he_normal", "torch_default", "uniform_raw"])
def test_a_law_of_independent_weights_fills_standardized_convolutions(name):
    net = initialize(nn.Sequential(Standardized(4, 6, 3)), name)
    assert net[0].weight.std() > 0


def test_with_scaled_weights_zero_gamma_starts_the_gain_of_each_branch_at_zero():
    weights = find("normalization", "scaled_weight_standardization")
    net = find("model", "resnet")(
        (1, 8, 8), 10, nn.ReLU, partial(weights, gamma=1.0), "sum", depth=8, width=8, shortcut="B"
    )
    initialize(net, "zero_gamma")
    assert not net.layer2[0].norm2.weight.any()
    assert (net.layer2[0].norm1.weight == 1).all()


# Every initializer with every normalization

OPTIONS = catalogue.options("initializer")
BY_FUNCTION = {option["function"]: name for name, option in OPTIONS.items()}
FAST = {"metainit": {"steps": 1}, "gradinit": {"iterations": 1}}
OF_WEIGHTS = [name for name in catalogue.options("normalization") if "weight_standardization" in name]
UNDONE = {*STRUCTURED, *SCALING, "conv_orthogonal", "zero_hadamard"}  # by weight standardization
NO_THIRD_DERIVATIVE = ("batch", "instance", "weight_standardization")  # in torch


def is_refused(function: str, normalization: str) -> bool:
    return (
        (function in UNDONE and normalization in OF_WEIGHTS)
        or (function == "metainit" and normalization in NO_THIRD_DERIVATIVE)
        or (function == "zero_gamma" and normalization == "none")
    )


@pytest.mark.parametrize("normalization", catalogue.options("normalization"))
@pytest.mark.parametrize("function", BY_FUNCTION)
def test_an_initializer_fills_a_model_of_any_normalization_or_says_why_not(function, normalization):
    option = catalogue.options("normalization")[normalization]
    norm = partial(find("normalization", option["function"]), **catalogue.arguments(option))
    arguments = catalogue.arguments(OPTIONS[BY_FUNCTION[function]]) | FAST.get(function, {})
    arguments |= resolved(arguments, nn.ReLU())
    form = arguments.get("residual", "sum")
    net = find("model", "resnet")((1, 8, 8), 4, nn.ReLU, norm, form, depth=8, width=8, shortcut="B")
    for tensor in net.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 99)
    batch = Split(torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 4)
    initializer = partial(find("initializer", function), net, torch.Generator().manual_seed(0), batch, **arguments)
    if is_refused(function, normalization):
        with pytest.raises(UserError, match="take"):
            initializer()
    else:
        initializer()
        assert all(value.isfinite().all() for value in net.state_dict().values())
        assert net(batch.images).isfinite().all()
