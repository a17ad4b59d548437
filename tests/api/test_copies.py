"""A module is written whole or not at all, and what is set around the call changes no weight."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from bench import UserError, initialize

LAWS = ["he_normal", "torch_default", "orthogonal", "conv_orthogonal", "delta_orthogonal", "looks_linear", "sparse"]
LAWS += ["dirac", "idinit", "zero_hadamard", "sinusoidal", "lsuv", "metainit", "gradinit"]
BY_DATA = {"lsuv": {}, "metainit": {"steps": 2}, "gradinit": {"iterations": 2}}


def network() -> nn.Module:
    layers = nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 4)
    return nn.Sequential(*layers)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(32, 2, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 4


def filled(name: str, module: nn.Module, data: object) -> nn.Module:
    return initialize(module, name, batch=data if name in BY_DATA else None, **BY_DATA.get(name, {}))


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", LAWS)
def test_the_modes_of_torch_around_a_call_change_no_weight(name):
    expected, model, data = filled(name, network(), batch()), network(), batch()
    for mode in (torch.inference_mode(), torch.no_grad(), torch.autocast("cpu"), torch.device("meta")):
        changed = copy.deepcopy(model)
        with mode:
            assert same(filled(name, changed, data), expected)
    with torch.inference_mode():
        assert same(filled(name, network(), batch()), expected)  # both made in that mode


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", LAWS)
def test_the_default_dtype_changes_no_weight_and_stays(name, dtype):
    expected, model, data = filled(name, network(), batch()), network(), batch()
    torch.set_default_dtype(dtype)
    try:
        assert same(filled(name, model, data), expected)
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)


def test_autocast_has_no_cast_of_the_weights_before():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    images = torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu"):
        model(images)
        initialize(model, "lsuv", batch=images)
        inside = model(images).float().var().item()
    assert inside == pytest.approx(1, abs=0.05)
    assert model(images).var().item() == pytest.approx(1, abs=0.02)


def test_a_compiled_module_is_filled_as_the_one_it_compiles():
    plain = network()
    compiled = torch.compile(plain, backend="eager")
    before = copy.deepcopy(plain)
    table = initialize(compiled, "he_normal", dry_run=True)
    assert [entry.name for entry in table] == [name for name, _ in plain.named_parameters()]
    assert len([*compiled.parameters()]) == 6
    assert same(plain, before)
    assert initialize(compiled, "he_normal") is compiled
    assert same(plain, initialize(network(), "he_normal"))
    inner = nn.Sequential(torch.compile(nn.Linear(4, 5), backend="eager"), nn.Linear(5, 2))
    assert same(
        initialize(inner, "he_normal"), initialize(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 2)), "he_normal")
    )


def made_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return nn.Linear(3, 3)


def fake() -> nn.Module:
    with FakeTensorMode():
        return nn.Linear(3, 3)


def with_weight(weight: torch.Tensor) -> nn.Module:
    layer = nn.Linear(3, 3)
    layer.weight = nn.Parameter(weight, requires_grad=weight.is_floating_point())
    return layer


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (made_in_inference_mode, "1.weight cannot be written to: it was made under torch.inference_mode"),
        (fake, "1.weight cannot be written to: it is a FakeTensor"),
        (lambda: with_weight(torch.zeros(1, 3).expand(3, 3)), "1.weight cannot be written to: it is expanded"),
        (
            lambda: with_weight(torch.zeros(5).as_strided((3, 3), (1, 1))),
            "1.weight cannot be written to: it is expanded",
        ),
        (lambda: with_weight(torch.eye(3).to_sparse()), "1.weight cannot be written to: it is of layout torch.sparse"),
        (lambda: with_weight(torch.zeros(3, 3, dtype=torch.int8)), "1.weight is torch.int8"),
        (lambda: with_weight(torch.zeros(3, 3, dtype=torch.bool)), "1.weight is torch.bool"),
        (lambda: nn.Linear(3, 3, dtype=torch.complex64), "1.weight is torch.complex64"),
        (lambda: nn.LSTM(3, 3, dtype=torch.complex64), "1.weight_ih_l0 is torch.complex64"),
    ],
)
def test_what_cannot_be_written_is_found_before_anything_is(second, sentence):
    model = nn.Sequential(nn.Linear(3, 3), second())
    before = model[0].weight.clone()
    with pytest.raises(UserError, match=sentence):
        initialize(model, "he_normal")
    assert torch.equal(model[0].weight, before)


VIEWS = {
    "rows": (lambda a: a[:5], lambda a: a[4:]),
    "columns": (lambda a: a[:, :5], lambda a: a[:, 4:]),
    "transposed": (lambda a: a, lambda a: a.t()),
    "another shape": (lambda a: a, lambda a: a.view(4, 16)),
    "other numbers": (lambda a: a, lambda a: a.view(torch.float16)),
    "two tensors of one array": (
        lambda a: torch.from_numpy(a.numpy()[:5]),
        lambda a: torch.from_numpy(a.numpy()[4:]),
    ),
}


def of_views(*views) -> nn.Module:
    memory, model = torch.randn(8, 8), nn.Sequential()
    for view in views:
        model.append(nn.utils.skip_init(nn.Linear, 1, 1, bias=False))
        model[-1].weight = nn.Parameter(view(memory))
    return model


@pytest.mark.parametrize("name", VIEWS)
def test_parameters_that_share_a_part_of_their_memory_are_refused_before_anything_is_written(name):
    model = of_views(*VIEWS[name])
    before = [weight.detach().nan_to_num() for weight in model.parameters()]
    for dry_run in (True, False):
        with pytest.raises(UserError, match=r"0\.weight and 1\.weight cannot be written to: they share memory"):
            initialize(model, "he_normal", dry_run=dry_run)
    assert all(torch.equal(one, weight.nan_to_num()) for one, weight in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    "views",
    [
        (lambda a: a[:4], lambda a: a[4:]),
        (lambda a: a[:, :4], lambda a: a[:, 4:]),
        (lambda a: a[::2], lambda a: a[1::2]),
        (lambda a: a[:], lambda a: a[:]),
    ],
    ids=["halves", "columns", "every other row", "all of it twice"],
)
def test_views_without_a_common_value_and_tied_parameters_are_written(views):
    model = of_views(*views)
    initialize(model, "constant", value=0.5)
    assert all((weight == 0.5).all() for weight in model.parameters())


@pytest.mark.parametrize("tie", ["parameter", "memory"])
def test_the_padding_of_a_tied_embedding_stays_0(tie):
    embedding, head = nn.Embedding(10, 8, padding_idx=2), nn.Linear(8, 10, bias=False)
    if tie == "parameter":
        head.weight = embedding.weight
    else:
        head.weight.data = embedding.weight.data
    for module in (nn.Sequential(embedding, head), nn.Sequential(head, embedding)):
        initialize(module, "he_normal")
        assert (embedding.weight[2] == 0).all()
        assert (embedding.weight[3] != 0).all()
        assert torch.equal(embedding.weight, head.weight)
        assert embedding.weight.abs().max() < 4 * 0.5  # the law of the layer, whose deviation is 1/2


def test_a_sparse_buffer_is_left_alone():
    layer = nn.Linear(3, 3)
    layer.register_buffer("neighbours", torch.eye(3).to_sparse())
    before = layer.neighbours
    initialize(layer, "he_normal")
    assert layer.neighbours is before
    assert torch.equal(layer.weight, initialize(nn.Linear(3, 3), "he_normal").weight)


@pytest.mark.filterwarnings("ignore:Initializing zero-element")  # of torch, when the layers are made
def test_layers_without_an_input_or_an_output_are_nothing_to_draw():
    for name in [name for name in LAWS if name not in BY_DATA]:
        model = nn.Sequential(nn.Linear(4, 0), nn.Linear(0, 4))
        assert all(entry.std == 0 for entry in initialize(model, name, dry_run=True)[1:])
        initialize(model, name)
        assert (model[1].bias == 0).all()


def test_numbers_of_numpy_are_numbers():
    expected = initialize(nn.Linear(9, 9), "he_normal", seed=3, gain=2.0)
    for seed in (np.int64(3), np.uint8(3)):
        assert same(initialize(nn.Linear(9, 9), "he_normal", seed=seed, gain=np.float32(2)), expected)
    with pytest.raises(UserError, match="seed takes a whole number, not True"):
        initialize(nn.Linear(9, 9), "he_normal", seed=True)
