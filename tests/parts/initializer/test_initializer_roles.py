"""Roles: what a layer of our nets, of torchvision's and of a stranger's is for."""

from collections import Counter

import pytest
import torchvision
from torch import nn

from bench import catalogue
from bench.parts.initializer.layers import layers
from bench.parts.initializer.roles import ROLES, branches, residual_branches, roles
from bench.registry import find
from bench.schema import UserError


def model(name: str, normalization: str = "batch", residual: str = "sum", **changed) -> nn.Module:
    option = catalogue.options("model")[name]
    arguments = catalogue.arguments(option) | changed
    norm = find("normalization", normalization)
    return find("model", option["function"])((3, 8, 8), 10, nn.ReLU, norm, residual, **arguments)


class Custom(nn.Module):
    """A small net of a user's own, without blocks."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


COUNTS = {
    "resnet20": (lambda: model("resnet20"), {"stem": 1, "first": 9, "last": 9, "classifier": 1}),
    "resnet20 with projections": (
        lambda: model("resnet20", shortcut="B"),
        {"stem": 1, "first": 9, "last": 9, "shortcut": 2, "classifier": 1},
    ),
    "plain14": (lambda: model("plain14"), {"stem": 1, "other": 12, "classifier": 1}),
    "torchvision resnet18": (
        torchvision.models.resnet18,
        {"stem": 1, "first": 8, "last": 8, "shortcut": 3, "classifier": 1},
    ),
    "torchvision resnet50": (
        torchvision.models.resnet50,
        {"stem": 1, "first": 16, "middle": 16, "last": 16, "shortcut": 4, "classifier": 1},
    ),
    "custom": (Custom, {"stem": 1, "other": 2, "classifier": 1}),
    "linear": (lambda: nn.Linear(2, 3), {"classifier": 1}),
    "convolution": (lambda: nn.Conv2d(2, 3, 3), {"stem": 1}),
    "nothing": (nn.ReLU, {}),
}


@pytest.mark.parametrize("name", COUNTS)
def test_every_layer_has_one_role(name):
    build, counts = COUNTS[name]
    net = build()
    found = roles(net)
    assert Counter(found.values()) == counts
    assert set(found.values()) <= set(ROLES)
    assert [net.get_submodule(name) for name in found] == list(layers(net))


def test_roles_are_those_of_the_block_diagram():
    found = roles(model("resnet8", shortcut="B"))
    assert found["conv1"] == "stem"
    assert found["layer2.0.conv1"] == "first"
    assert found["layer2.0.conv2"] == "last"
    assert found["layer2.0.shortcut.0"] == "shortcut"
    assert found["linear"] == "classifier"
    assert roles(torchvision.models.resnet50())["layer1.0.conv2"] == "middle"
    custom = roles(Custom())
    assert [name for name, role in custom.items() if role == "other"] == ["features.2", "head.0"]


@pytest.mark.parametrize("build", [lambda: model("resnet20", shortcut="B"), torchvision.models.resnet18])
def test_branches_come_in_order_with_their_layers_norms_and_stages(build):
    net = build()
    found = branches(net)
    assert [branch.name for branch in found] == [
        f"layer{stage}.{index}"
        for stage in range(1, found[-1].stage + 1)
        for index in range(len(found) // found[-1].stage)
    ]
    for branch in found:
        block = net.get_submodule(branch.name)
        assert branch.block is block
        assert branch.layers == [block.conv1, block.conv2]
        assert branch.name.startswith(f"layer{branch.stage}.")
        norms = (block.norm1, block.norm2) if hasattr(block, "norm1") else (block.bn1, block.bn2)
        assert branch.norms == [*norms]


def test_a_branch_without_normalization_has_no_norms():
    assert all(branch.norms == [] for branch in branches(model("resnet8", "none", shortcut="B")))


def test_part_of_a_model_keeps_its_roles():
    assert roles(torchvision.models.resnet18().layer2) == {
        "0.conv1": "first", "0.conv2": "last", "0.downsample.0": "shortcut", "1.conv1": "first", "1.conv2": "last",
    }  # fmt: skip
    block = torchvision.models.resnet18().layer1[0]
    assert roles(block) == {"conv1": "first", "conv2": "last"}
    assert [(branch.name, branch.stage) for branch in branches(block)] == [("", 1)]


@pytest.mark.parametrize("residual", ["sum", "scalar", "rezero", "average", "fixup"])
def test_every_form_of_residual_block_has_the_same_branches(residual):
    found = branches(model("resnet8", "none", residual))
    assert [len(branch.layers) for branch in found] == [2, 2, 2]


def test_a_scheme_about_branches_says_that_a_plain_net_has_none():
    with pytest.raises(UserError, match="taki acts on residual branches and this model has none; take a resnet"):
        residual_branches(model("plain8"), "taki")
