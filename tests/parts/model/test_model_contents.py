import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.parts.model.contents import contents


class Swish(nn.Module):
    """An activation that no library knows."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class ScaleNorm(nn.Module):
    """A normalization that no library knows."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x / x.norm()


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.unused = nn.Linear(4, 4), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(F.leaky_relu(self.layer(x), 0.2), (4,)).relu()


class Branching(Functional):
    """No graph shows what it calls, as that depends on the values."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x) if x.sum() > 0 else self.unused(x)


def labels(*layers: nn.Module) -> tuple[str, str]:
    found = contents(nn.Sequential(*layers))
    return found.label("activation"), found.label("normalization")


def test_modules_of_torch_go_by_their_names_in_order_of_use():
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4), nn.PReLU(4)
    assert labels(*layers) == ("own: SiLU, PReLU", "own: BatchNorm2d, GroupNorm")


def test_what_neither_bends_nor_normalizes_is_none():
    others = nn.Dropout(), nn.Identity(), nn.MaxPool2d(3, 1, 1), nn.Softmax(1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    assert labels(nn.Linear(4, 4), *others) == ("own: none", "own: none")


def test_functions_and_methods_count_and_modules_without_a_call_do_not():
    assert labels(Functional()) == ("own: LeakyReLU, ReLU", "own: LayerNorm")


def test_parts_of_the_users_own_go_by_the_names_of_their_classes():
    assert labels(nn.Linear(4, 4), Swish(), ScaleNorm()) == ("own: Swish", "own: ScaleNorm")


def test_a_class_that_extends_one_of_torch_goes_by_its_name():
    from torchvision.models.convnext import LayerNorm2d

    class Own(nn.ReLU):
        pass

    assert labels(Own(), LayerNorm2d(4)) == ("own: ReLU", "own: LayerNorm")


def test_where_no_graph_shows_all_calls_there_may_be_more():
    assert labels(nn.ReLU(), Branching(), nn.ELU()) == ("own: ReLU, Tanh, ELU, ...", "own")
    assert contents(Branching()).label("activation") == "own: Tanh, ..."


def test_a_function_has_the_constants_of_its_call():
    (leaky,) = contents(Functional()).activations["LeakyReLU"].values()
    assert leaky(torch.tensor(-1.0)) == torch.tensor(-0.2)
