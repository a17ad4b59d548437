"""Roles: what a layer of our nets, of torchvision's and of a stranger's is for."""

import operator
from collections import Counter

import pytest
import torch
import torchvision
from torch import nn

from bench import catalogue, initialize
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


class Named(nn.Module):
    """A block with a projection, and one without; no attribute has a telling name."""

    def __init__(self, add, project: bool):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
        self.d = nn.Conv2d(4, 4, 1) if project else nn.Identity()
        self.add = add

    def forward(self, x):
        return getattr(self.add, "add", self.add)(self.c(self.b(self.a(x)).relu()), self.d(x))


ADDS = {
    "+": lambda one, other: one + other,
    "reversed": lambda one, other: other + one,
    "+=": operator.iadd,
    "torch.add": torch.add,
    "add": lambda one, other: one.add(other),
    "add_": lambda one, other: one.add_(other),
    "a submodule": torch.ao.nn.quantized.FloatFunctional(),
}


@pytest.mark.parametrize("add", ADDS)
def test_a_branch_is_found_by_the_sum_whatever_its_attributes_are_called(add):
    blocks = [Named(ADDS[add], project) for project in (True, False)]
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(*blocks))
    assert [(one.name, one.layers, one.norms, one.block, one.stage) for one in branches(net)] == [
        (f"1.{index}", [block.a, block.c], [block.b], block, 1) for index, block in enumerate(blocks)
    ]
    assert [one.shortcut for one in branches(net)] == [[blocks[0].d], []]
    assert roles(net)["1.0.d"] == "shortcut"


class NoBranch(nn.Module):
    """Sums that join no branch to a shortcut: with a parameter, of two inputs, of what is used elsewhere too."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.zeros(4))
        self.one, self.two, self.three = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x, y):
        x = self.one(x) + self.place
        y = self.two(y) + x + 1.0
        inner = self.three(y)
        return (y + inner) * inner


def test_other_sums_are_no_residual_branches():
    assert branches(NoBranch()) == []


class Dynamic(nn.Module):
    """A net whose path depends on the values, around a block of another."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([torchvision.models.resnet.BasicBlock(4, 4)])

    def forward(self, x):
        return self.blocks[0](x) if x.sum() > 0 else x


def test_a_net_that_cannot_be_traced_has_the_branches_of_its_parts():
    net = Dynamic()
    block = net.blocks[0]
    assert [(one.name, one.layers, one.norms) for one in branches(net)] == [
        ("blocks.0", [block.conv1, block.conv2], [block.bn1, block.bn2])
    ]


BRANCHES = {
    "mobilenet_v2": 10,
    "mobilenet_v3_small": 6,
    "efficientnet_b0": 9,
    "convnext_tiny": 18,
    "regnet_y_400mf": 16,
    "vit_b_16": 24,
    "swin_t": 24,
    "mnasnet0_5": 10,
    "densenet121": 0,
    "vgg11": 0,
}


@pytest.mark.parametrize("name", BRANCHES)
def test_the_nets_of_torchvision_have_the_branches_that_they_add(name):
    net = getattr(torchvision.models, name)()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert len(branches(net)) == BRANCHES[name]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_zero_gamma_of_a_mobilenet_makes_each_branch_nothing():
    net = initialize(torchvision.models.mobilenet_v3_small(), "zero_gamma").eval()
    block = net.features[2 + 1]
    x = torch.randn(2, 24, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), x)


def test_attention_in_a_branch_ends_with_its_output():
    net = torchvision.models.vit_b_16()
    table = {one.name: one.role for one in initialize(net, "he_normal", others="fill", dry_run=True)}
    first = "encoder.layers.encoder_layer_0"
    assert table[f"{first}.self_attention.in_proj_weight"] == "first"
    assert table[f"{first}.self_attention.out_proj.weight"] == "last"
    assert table[f"{first}.mlp.0.weight"] == "first"


def encoder_layer(**arguments) -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **arguments)


class Translator(nn.Module):
    """torch's transformer as a part of a net, with a mask."""

    def __init__(self):
        super().__init__()
        self.source, self.target, self.words = nn.Linear(3, 8), nn.Linear(3, 8), nn.Linear(8, 3)
        self.transformer = nn.Transformer(8, 2, 2, 2, 16, batch_first=True)

    def forward(self, source, target):
        mask = self.transformer.generate_square_subsequent_mask(5)
        return self.words(self.transformer(self.source(source), self.target(target), tgt_mask=mask))


ENCODER = [["self_attn.out_proj"], ["linear1", "linear2"]]
DECODER = [["self_attn.out_proj"], ["multihead_attn.out_proj"], ["linear1", "linear2"]]
TRANSFORMERS = {
    "layer": (encoder_layer, [("", ENCODER)]),
    "pre-norm": (lambda: encoder_layer(norm_first=True), [("", ENCODER)]),
    "in evaluation": (lambda: encoder_layer().eval(), [("", ENCODER)]),
    "decoder layer": (lambda: nn.TransformerDecoderLayer(8, 2, 16), [("", DECODER)]),
    "encoder": (lambda: nn.TransformerEncoder(encoder_layer(), 2), [("layers.0.", ENCODER), ("layers.1.", ENCODER)]),
    "part of a net": (
        Translator,
        [(f"transformer.encoder.layers.{index}.", ENCODER) for index in range(2)]
        + [(f"transformer.decoder.layers.{index}.", DECODER) for index in range(2)],
    ),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_torchs_transformers_have_a_branch_for_each_attention_and_each_pair_of_layers(name):
    build, expected = TRANSFORMERS[name]
    net = build()
    names = {module: name for name, module in net.named_modules()}
    assert [[names[layer] for layer in one.layers] for one in branches(net)] == [
        [prefix + layer for layer in branch] for prefix, of_layer in expected for branch in of_layer
    ]
    assert torch.backends.mha.get_fastpath_enabled()


class Diffusion(nn.Module):
    """Blocks that add a projection of the time, which all of them share."""

    def __init__(self):
        super().__init__()
        self.time, self.times = nn.Linear(1, 4), nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.ins, self.outs = (nn.ModuleList(nn.Linear(4, 4) for _ in range(2)) for _ in range(2))

    def forward(self, x, time, scale: float = 1.0):
        time = self.time(time).relu()
        for index in range(2 if scale else 0):
            x = x + self.outs[index]((self.ins[index](x) + self.times[index](time)).relu())
        return x * scale


def test_what_enters_a_branch_from_elsewhere_is_no_part_of_it():
    net = Diffusion()
    assert [one.layers for one in branches(net)] == [[net.ins[index], net.outs[index]] for index in range(2)]


def test_zero_gamma_refuses_a_branch_that_ends_with_a_layer():
    for net in (encoder_layer(norm_first=True), torchvision.models.convnext_tiny()):
        with pytest.raises(UserError, match="sets the weight of the normalization that ends a residual branch"):
            initialize(net, "zero_gamma", others="keep")


def test_a_scheme_about_branches_says_that_a_plain_net_has_none():
    with pytest.raises(UserError, match="taki acts on residual branches and this model has none; take a resnet"):
        residual_branches(model("plain8"), "taki")
