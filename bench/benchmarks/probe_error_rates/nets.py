"""Small healthy nets, mutants of their weights, and whether training shows a difference.

In: the name of a net, a mutation, a seed. Out: modules, accuracies. Touches: nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from bench.parts import seeds
from bench.parts.dataset.tensors import Dataset
from bench.parts.initializer.fans import Layer
from bench.signal.remedy import Remedy

WIDTH, DEPTH, CLASSES = 8, 4, 10
RATE, MOMENTUM, BATCH, EPOCHS = 0.05, 0.9, 64, 4

Act = Callable[[], nn.Module]
Mutate = Callable[[nn.Module, int], None]


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), without a norm."""

    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act()
        self.first, self.last = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width), which it keeps."""
        out: Tensor = x + self.last(self.act(self.first(self.act(x))))
        return out


class Attention(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): one head, layer norm."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.qkv, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.mlp = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        """(n, tokens, size), which it keeps."""
        x = x + self.out(scaled_dot_product_attention(*self.qkv(self.norms[0](x)).chunk(3, dim=-1)))
        out: Tensor = x + self.mlp(self.norms[1](x))
        return out


def _mlp(act: Act, depth: int = DEPTH) -> nn.Module:
    inner = [part for _ in range(depth) for part in (nn.Linear(64, 64), act())]
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(64, CLASSES))


def _conv(act: Act, norm: Callable[[int], nn.Module] | None = None) -> nn.Module:
    def layer(channels: int) -> list[nn.Module]:
        norms = [norm(WIDTH)] if norm else []
        return [nn.Conv2d(channels, WIDTH, 3, padding=1), *norms, act()]

    inner = [part for _ in range(DEPTH - 1) for part in layer(WIDTH)]
    return nn.Sequential(*layer(1), *inner, *_head())


def _residual(act: Act) -> nn.Module:
    stem = nn.Conv2d(1, WIDTH, 3, padding=1)
    return nn.Sequential(stem, *(Block(act) for _ in range(DEPTH)), act(), *_head())


def _transformer(size: int) -> nn.Module:
    """A row of the image is a token."""
    blocks = [Attention(size) for _ in range(2)]
    head = [nn.LayerNorm(size), nn.Flatten(), nn.Linear(8 * size, CLASSES)]
    return nn.Sequential(nn.Flatten(1, 2), nn.Linear(8, size), *blocks, *head)


def _head() -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * WIDTH, CLASSES)]


@dataclass(frozen=True)
class Net:
    """A net, and the line that makes it healthy."""

    build: Callable[[], nn.Module]
    healthy: Remedy


CHOSEN_ON = {  # the thresholds of a diagnosis
    "mlp relu": Net(lambda: _mlp(nn.ReLU), Remedy("he_normal", {"gain": "auto"}, "relu")),
    "mlp tanh": Net(lambda: _mlp(nn.Tanh), Remedy("he_normal", {"gain": "auto"}, "tanh")),
    "mlp silu": Net(lambda: _mlp(nn.SiLU), Remedy("he_normal", {"gain": "auto"}, "silu")),
    "conv relu": Net(lambda: _conv(nn.ReLU), Remedy("he_normal", {"gain": "auto"}, "relu")),
    "conv gelu": Net(lambda: _conv(nn.GELU), Remedy("he_normal", {"gain": "auto"}, "gelu")),
    "conv relu batch norm": Net(lambda: _conv(nn.ReLU, nn.BatchNorm2d), Remedy("he_normal", {"gain": "auto"}, "relu")),
    "residual relu": Net(lambda: _residual(nn.ReLU), Remedy("taki", {"gain": "auto"}, "relu")),
    "deep mlp elu": Net(lambda: _mlp(nn.ELU, 8), Remedy("he_normal", {"gain": "auto"}, "elu")),
    "conv tanh": Net(lambda: _conv(nn.Tanh), Remedy("he_normal", {"gain": "auto"}, "tanh")),
    "conv silu group norm": Net(
        lambda: _conv(nn.SiLU, lambda channels: nn.GroupNorm(2, channels)),
        Remedy("he_normal", {"gain": "auto"}, "silu"),
    ),
    "residual gelu": Net(lambda: _residual(nn.GELU), Remedy("taki", {"gain": "auto"}, "gelu")),
    "transformer": Net(lambda: _transformer(64), Remedy("glorot_uniform")),
}
KEPT_BACK = {  # measured once the thresholds were chosen
    "mlp softsign": Net(lambda: _mlp(nn.Softsign), Remedy("he_normal", {"gain": "auto"}, "softsign")),
    "deep mlp leaky relu": Net(lambda: _mlp(nn.LeakyReLU, 7), Remedy("he_normal", {"gain": "auto"}, "leaky_relu")),
    "conv selu": Net(lambda: _conv(nn.SELU), Remedy("he_normal", {"gain": "auto"}, "selu")),
    "residual tanh": Net(lambda: _residual(nn.Tanh), Remedy("taki", {"gain": "auto"}, "tanh")),
}
NETS = CHOSEN_ON | KEPT_BACK


def _layers(net: nn.Module) -> list[Layer]:
    return [part for part in net.modules() if isinstance(part, Layer)]


def _scaled(net: nn.Module, seed: int, factor: float, which: slice = slice(None)) -> None:
    for layer in _layers(net)[which]:
        layer.weight.mul_(factor)


def _filled(net: nn.Module, seed: int, value: float) -> None:
    nn.init.constant_(_layers(net)[2].weight, value)


def _kernel_ignored(net: nn.Module, seed: int) -> None:
    """The fan of a convolution without the taps of its kernel."""
    for layer in _layers(net):
        layer.weight.mul_(layer.weight[0, 0].numel() ** 0.5)


def _fans_exchanged(net: nn.Module, seed: int) -> None:
    for layer in _layers(net):
        layer.weight.mul_((layer.weight.shape[1] / layer.weight.shape[0]) ** 0.5)


def _swapped(net: nn.Module, seed: int, name: str) -> None:
    drawn = Remedy(name).applied(net, torch.zeros(1), None, seed)
    net.load_state_dict(drawn.state_dict())


def _new_stem(net: nn.Module, seed: int) -> None:
    """A stem as its class draws it, as after a replacement for another number of channels."""
    stem = _layers(net)[0]
    bound = stem.weight[0].numel() ** -0.5
    stem.weight.uniform_(-bound, bound, generator=seeds.generator(seed, "probe"))


MUTANTS: Mapping[str, Mutate] = {
    "torch_default": partial(_swapped, name="torch_default"),
    "glorot_uniform": partial(_swapped, name="glorot_uniform"),
    "uniform_raw": partial(_swapped, name="uniform_raw"),
    "times 0.1": partial(_scaled, factor=0.1),
    "times 3": partial(_scaled, factor=3.0),
    "times 10": partial(_scaled, factor=10.0),
    "kernel ignored": _kernel_ignored,
    "fans exchanged": _fans_exchanged,
    "a layer of zeros": partial(_filled, value=0.0),
    "a layer of ones": partial(_filled, value=1.0),
    "new stem": _new_stem,
    "head times 100": partial(_scaled, factor=100.0, which=slice(-1, None)),
}


@torch.no_grad()
def mutant(net: str, name: str, seed: int) -> nn.Module:
    """A net with the weights of a seed, mutated; "" for the healthy one."""
    built = NETS[net].healthy.applied(NETS[net].build(), torch.zeros(1), None, seed)
    if name:
        MUTANTS[name](built, seed)
    return built


def accuracy(net: nn.Module, data: Dataset, seed: int) -> float:
    """Train with momentum for a few epochs; the accuracy on the validation split, 0 where the loss is not finite."""
    optimizer = torch.optim.SGD(net.parameters(), RATE, MOMENTUM)
    order = seeds.generator(seed, "order")
    net.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(data.sizes[0], generator=order).split(BATCH):  # type: ignore[no-untyped-call]
            loss = cross_entropy(net(data.train.images[chosen]), data.train.labels[chosen])
            if not loss.isfinite():
                return 0.0
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        right = net.eval()(data.validation.images).argmax(1) == data.validation.labels
    return float(right.float().mean())
