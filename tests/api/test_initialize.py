"""From bench import initialize: any module of torch, in place, whole or not at all."""

import contextlib
import copy
import dataclasses
import functools
import inspect
import io
import math
import re
import subprocess
import sys

import pytest
import torch
import torchvision
from scipy import stats
from torch import nn

import bench
from bench import UserError, catalogue, gain, initialize, initializers
from bench.api.preview import CLOSED
from bench.train.contract import task_of

README = (catalogue.CONF.parent / "README.md").read_text(encoding="utf-8")
OPTIONS = catalogue.options("initializer")
ALL_CLOSED = [name for name, option in OPTIONS.items() if option["function"] in CLOSED]


class Little(nn.Module):
    """A small net of a user's own, with a functional activation and grouped convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3)
        self.norm = nn.GroupNorm(2, 16)
        self.grouped = nn.Conv2d(16, 32, (3, 5), groups=4)
        self.head = nn.Linear(32, 10)

    def forward(self, images):
        x = self.grouped(torch.relu(self.norm(self.stem(images))))
        return self.head(x.mean((2, 3)))


class Token(nn.Module):
    """Parameters that nobody knows: a matrix, a bias, a scale, and a buffer."""

    def __init__(self, start=7.0):
        super().__init__()
        self.linear = nn.Linear(4, 6)
        self.token = nn.Parameter(torch.full((5, 4), start))
        self.my_bias = nn.Parameter(torch.full((3,), start))
        self.scale = nn.Parameter(torch.full((3,), start))
        self.register_buffer("grid", torch.arange(3.0, dtype=torch.float64) / 3)


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# the weights


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("he_normal", {}),
        ("tf_variance_scaling", {"scale": 0.5}),
        ("orthogonal", {"gain": "auto"}),
        ("orthogonal", {"gain": "critical"}),
        ("torch_default", {}),
    ],
)
def test_a_seed_gives_the_weights_that_a_sweep_trains(runs_of, machine, name, arguments):
    overrides = [f"initializer.{key}={value}" for key, value in arguments.items()]
    (run,) = runs_of(
        "model=resnet8", "dataset=synthetic", f"initializer={name}", "seed=3", "activation=tanh", *overrides
    )
    trained = task_of(run).prepare(run, machine)[1]
    ours = copy.deepcopy(trained)
    initialize(ours, name, seed=4, activation="tanh", **arguments)
    assert not same(state(ours), state(trained))
    assert initialize(ours, name, seed=3, activation="tanh", **arguments) is ours
    assert same(state(ours), state(trained))


def test_a_resnet_50_of_torchvision_follows_the_law_in_every_layer():
    model = torchvision.models.resnet50()
    initialize(model, "he_normal_fan_out", seed=1)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 53
    p_values = []
    for layer in convolutions:
        sigma = math.sqrt(2 / (layer.out_channels * layer.weight[0, 0].numel()))
        sample = layer.weight.detach().flatten()[:20_000].double().numpy() / sigma
        p_values.append(stats.kstest(sample, stats.norm.cdf).pvalue)
        assert layer.weight.std().item() == pytest.approx(sigma, rel=5 / math.sqrt(2 * layer.weight.numel()))
    assert min(p_values) > 1e-4
    assert len({layer.weight.flatten()[0].item() for layer in convolutions}) == 53
    assert (model.fc.bias == 0).all()
    assert (model.layer1[0].bn3.weight == 1).all()


def test_a_part_of_a_model_is_filled_and_the_rest_is_not():
    model = torchvision.models.resnet18()
    before = state(model)
    initialize(model.layer4, "glorot_normal")
    changed = {key for key, value in state(model).items() if not torch.equal(value, before[key])}
    assert changed == {key for key in before if key.startswith("layer4") and ("conv" in key or "downsample.0" in key)}


def test_precision_and_layout_change_no_weight():
    plain = state(initialize(Little(), "he_normal"))
    for model in (
        Little().half(),
        Little().bfloat16(),
        Little().double(),
        Little().to(memory_format=torch.channels_last),
    ):
        kinds = {key: (value.dtype, value.stride()) for key, value in model.state_dict().items()}
        initialize(model, "he_normal")
        assert {key: (value.dtype, value.stride()) for key, value in model.state_dict().items()} == kinds
        assert all(torch.equal(value, plain[key].to(value.dtype)) for key, value in model.state_dict().items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("meta", [False, True])
def test_weights_on_a_gpu_are_those_on_the_cpu(meta):
    with torch.device("meta" if meta else "cuda"):
        model = Little()
    initialize(model, "orthogonal", device="cuda")
    assert {parameter.device.type for parameter in model.parameters()} == {"cuda"}
    assert same({key: value.cpu() for key, value in state(model).items()}, state(initialize(Little(), "orthogonal")))


def test_a_generator_of_the_callers_goes_on_and_the_global_one_is_left_alone():
    mine, before = torch.Generator().manual_seed(5), torch.get_rng_state()
    first = state(initialize(Little(), "he_normal", generator=mine))
    second = state(initialize(Little(), "he_normal", generator=mine))
    again = state(initialize(Little(), "he_normal", generator=torch.Generator().manual_seed(5)))
    made = torch.get_rng_state()
    assert not same(first, second)
    assert same(first, again)
    initialize(nn.LSTM(2, 3, device="meta"), "he_normal")
    assert torch.equal(made, torch.get_rng_state())
    assert not torch.equal(before, made)  # torch's layers do draw when they are built


def test_what_belongs_to_a_parameter_stays_with_it():
    model = Little()
    parameters = dict(model.named_parameters())
    model.stem.weight.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    initialize(model.eval(), "he_normal")
    assert all(parameters[name] is parameter for name, parameter in model.named_parameters())
    assert not model.stem.weight.requires_grad
    assert (model.head.weight.grad == 1).all()
    assert not model.training


def test_tied_weights_stay_tied_and_follow_the_layer():
    model = nn.Sequential(nn.Embedding(500, 40), nn.Linear(40, 500, bias=False))
    model[0].weight = model[1].weight
    initialize(model, "he_normal")
    assert model[0].weight is model[1].weight
    assert model[1].weight.std().item() == pytest.approx(math.sqrt(2 / 40), rel=0.03)
    (entry,) = initialize(model, "he_normal", dry_run=True)
    assert (entry.fan_in, entry.basis) == (40, "law")


# meta, FSDP


def test_meta_parameters_come_to_be_with_the_weights_they_would_have_had():
    with torch.device("meta"):
        models = [torchvision.models.resnet18(), nn.LSTM(4, 6, num_layers=2), nn.MultiheadAttention(8, 2)]
    ours = [torchvision.models.resnet18(), nn.LSTM(4, 6, num_layers=2), nn.MultiheadAttention(8, 2)]
    for meta, plain in zip(models, ours, strict=True):
        assert initialize(meta, "he_normal", dry_run=True) == initialize(plain, "he_normal", dry_run=True)
        assert all(parameter.is_meta for parameter in meta.parameters())
        assert same(state(initialize(meta, "he_normal")), state(initialize(plain, "he_normal")))
    images = torch.zeros(2, 3, 32, 32)
    assert models[0].eval()(images).equal(ours[0].eval()(images))
    sequence = torch.ones(5, 2, 4)
    assert models[1](sequence)[0].equal(ours[1](sequence)[0])  # its list of weights is that of the new ones


def test_a_constant_buffer_on_the_meta_device_is_a_mistake_and_nothing_comes_to_be():
    with torch.device("meta"):
        model = Token()
    with pytest.raises(UserError, match="grid is a buffer on the meta device"):
        initialize(model, "he_normal", others="fill")
    assert all(tensor.is_meta for tensor in model.state_dict().values())


def test_apply_fills_module_by_module_and_each_differently():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(9, 9), nn.ReLU(), nn.Sequential(nn.Linear(9, 9), nn.BatchNorm1d(9)))
    fill = functools.partial(initialize, name="he_normal", recurse=False, generator=torch.Generator().manual_seed(0))
    model.apply(fill)
    first, second = model[0].weight, model[2][0].weight
    assert not torch.equal(first, second)
    assert not any(tensor.isnan().any() for tensor in model.state_dict().values())
    fill(model[2])  # a container holds nothing itself
    assert model[2][0].weight is second


def test_one_seed_for_layers_that_come_one_by_one_is_refused():
    with pytest.raises(UserError, match="recurse=False needs a generator"):
        initialize(nn.Linear(2, 2), "he_normal", recurse=False)


@pytest.fixture
def one_process():
    """A process group of this process alone."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def nested():
    return nn.Sequential(
        nn.Linear(8, 16), nn.ReLU(), nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16)), nn.Linear(16, 16)
    )


@pytest.mark.filterwarnings("ignore:.*NO_SHARD:UserWarning")
def test_fsdp_takes_it_as_its_param_init_fn(one_process):
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
    from torch.distributed.fsdp.wrap import ModuleWrapPolicy

    with torch.device("meta"):
        model = nested()
    fill = functools.partial(initialize, name="he_normal", recurse=False, generator=torch.Generator().manual_seed(0))
    sharded = FSDP(
        model,
        param_init_fn=fill,
        auto_wrap_policy=ModuleWrapPolicy({nn.Sequential}),
        device_id=torch.device("cpu"),
    )
    assert sharded(torch.ones(2, 8)).isfinite().all()
    with FSDP.summon_full_params(sharded):
        weights = [parameter.clone() for parameter in sharded.parameters() if parameter.dim() == 2]
    assert [tuple(weight.shape) for weight in weights] == [(16, 8), (16, 16), (16, 16)]
    assert all(0.5 < weight.std() / math.sqrt(2 / weight.shape[1]) < 1.5 for weight in weights)
    assert not torch.equal(weights[1], weights[2])


def test_what_fully_shard_sharded_gets_the_weights_of_one_process(one_process):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    with torch.device("meta"):
        model = nested()
    mesh = init_device_mesh("cpu", (1,))
    fully_shard(model[2], mesh=mesh)
    fully_shard(model, mesh=mesh)
    with pytest.raises(UserError, match="to_empty"):
        initialize(model, "he_normal")
    model.to_empty(device="cpu")
    initialize(model, "he_normal", seed=2)
    plain = initialize(nested(), "he_normal", seed=2)
    for shard, whole in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(shard.full_tensor(), whole)


TWO_PROCESSES = """
import sys, torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch import nn
from bench import initialize
build = lambda: nn.Sequential(nn.Linear(7, 17), nn.Linear(17, 5))
dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=int(sys.argv[2]), world_size=2)
with torch.device("meta"):
    model = build()
fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
model.to_empty(device="cpu")
initialize(model, "orthogonal")
whole = initialize(build(), "orthogonal")
assert model[0].weight.to_local().shape[0] < 17
assert all(torch.equal(a.full_tensor(), b) for a, b in zip(model.parameters(), whole.parameters()))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_hold_the_shards_of_what_one_would_have_drawn(tmp_path):
    commands = [[sys.executable, "-c", TWO_PROCESSES, str(tmp_path / "store"), rank] for rank in "01"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


# modules of others


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (lambda: nn.MultiheadAttention(64, 4), 64, 64),
        (lambda: nn.MultiheadAttention(64, 4, kdim=48, vdim=32), 64, 64),
        (lambda: nn.LSTM(32, 48, proj_size=20, bidirectional=True), 32, 48),
        (lambda: nn.GRUCell(32, 48), 32, 48),
        (lambda: nn.ConvTranspose2d(32, 48, 3, groups=4), 8 * 9, 12 * 9),
        (lambda: nn.Bilinear(12, 13, 40), 12 * 13, 40),
    ],
    ids=["attention", "attention of three sizes", "lstm", "gru cell", "transposed", "bilinear"],
)
def test_a_layer_of_another_kind_has_the_fans_of_the_connections_it_makes(layer, fan_in, fan_out):
    module = layer()
    table = {entry.name: entry for entry in initialize(module, "he_normal", dry_run=True)}
    initialize(module, "he_normal")
    first = next(entry for entry in table.values() if entry.fan_in)
    assert (first.fan_in, first.fan_out) == (fan_in, fan_out)
    for name, parameter in module.named_parameters():
        if parameter.dim() < 2:
            assert (parameter == 0).all(), name
        else:
            error = 5 / math.sqrt(2 * parameter.numel())
            assert parameter.std().item() == pytest.approx(math.sqrt(2 / table[name].fan_in), rel=error), name


def test_each_gate_and_projection_is_orthogonal_by_itself():
    lstm, attention = initialize(nn.LSTM(16, 16), "orthogonal"), initialize(nn.MultiheadAttention(16, 4), "orthogonal")
    for matrix in (*lstm.weight_hh_l0.chunk(4), *lstm.weight_ih_l0.chunk(4), *attention.in_proj_weight.chunk(3)):
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(16))
    transposed = initialize(nn.ConvTranspose1d(8, 4, 1, groups=2), "orthogonal")
    for group in transposed.weight[..., 0].chunk(2):
        torch.testing.assert_close(group.T @ group, torch.eye(2))


def test_an_embedding_is_standard_normal_whatever_the_law_and_its_padding_0():
    layer = initialize(nn.Embedding(300, 100, padding_idx=7), "zeros" if "zeros" in OPTIONS else "he_normal")
    assert (layer.weight[7] == 0).all()
    rest = torch.cat([layer.weight[:7], layer.weight[8:]]).detach().flatten()
    assert stats.kstest(rest.double().numpy(), stats.norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    "build", [torchvision.models.vit_b_16, torchvision.models.convnext_tiny], ids=["vit", "convnext"]
)
def test_others_keep_and_fill_are_catch_alls_for_models_of_others(build):
    with torch.device("meta"):
        model = build()
    with pytest.raises(UserError, match=r"no initializer knows (class_token|features\.1\.0\.layer_scale).*others="):
        initialize(model, "glorot_uniform", dry_run=True)
    table = initialize(model, "glorot_uniform", others="fill", dry_run=True)
    assert [entry.name for entry in table] == [name for name, _ in model.named_parameters()]
    assert all(math.isfinite(entry.std) for entry in table)


def test_kept_is_untouched_and_filled_follows_its_rule():
    kept, filled = initialize(Token(), "he_normal", others="keep"), initialize(Token(), "orthogonal", others="fill")
    assert all((parameter == 7).all() for parameter in (kept.token, kept.my_bias, kept.scale))
    torch.testing.assert_close(filled.token.T @ filled.token, torch.eye(4))
    assert (filled.my_bias == 0).all()
    assert (filled.scale == 7).all()
    assert torch.equal(filled.grid, Token().grid)  # float64, to the last bit
    assert not torch.equal(kept.linear.weight, filled.linear.weight)
    assert list(dict(filled.named_modules())) == ["", "linear"]
    assert "reset_parameters" not in vars(filled)


def test_kept_on_the_meta_device_is_drawn_as_its_author_says_and_alike_for_alike_seeds():
    class Drawn(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(4, 4))
            self.reset_parameters()

        def reset_parameters(self):
            nn.init.uniform_(self.weight, 2, 3)

    def build():
        with torch.device("meta"):
            return nn.Sequential(Drawn(), Drawn())

    models, before = [build(), build(), build()], torch.get_rng_state()
    for model, seed in zip(models, (0, 0, 1), strict=True):
        initialize(model, "he_normal", seed=seed, others="keep")
    assert torch.equal(torch.get_rng_state(), before)
    one, again, other = map(state, models)
    assert same(one, again)
    assert not torch.equal(one["0.weight"], one["1.weight"])
    assert not same(one, other)
    assert all(2 <= value.min() <= value.max() <= 3 for value in one.values())
    with torch.device("meta"):
        nothing = nn.Sequential(Token())
    with pytest.raises(UserError, match="no value to keep"):
        initialize(nothing, "he_normal", others="keep")


# the fans of frameworks, the names of torch


@pytest.mark.parametrize(
    ("name", "layer", "parameter", "arguments", "std"),
    [
        ("keras_he_normal", lambda: nn.ConvTranspose2d(6, 10, 4), "weight", {}, 0.1112),
        ("keras_he_normal", lambda: nn.ConvTranspose3d(7, 5, (2, 3, 4)), "weight", {}, 0.1279),
        ("keras_glorot_normal", lambda: nn.LSTM(32, 48), "weight_ih_l0", {}, 0.0948),
        ("keras_glorot_normal", lambda: nn.LSTM(32, 48), "weight_hh_l0", {}, 0.0906),
        ("keras_glorot_normal", lambda: nn.GRU(32, 48), "weight_ih_l0", {}, 0.107),
        ("keras_he_normal", lambda: nn.MultiheadAttention(64, 4), "in_proj_weight", {}, 0.1787),
        ("flax_default", lambda: nn.MultiheadAttention(64, 4), "in_proj_weight", {}, 0.1247),
        ("flax_default", lambda: nn.LSTM(32, 48), "weight_ih_l0", {}, 32**-0.5),
        ("flax_default", lambda: nn.ConvTranspose2d(6, 10, 4), "weight", {}, 96**-0.5),
        ("kaiming_normal", lambda: nn.ConvTranspose2d(60, 10, 4), "weight", {}, 0.1130),
        ("kaiming_normal_", lambda: nn.Conv2d(32, 32, 3, groups=4), "weight", {"mode": "fan_out"}, 0.0841),
        ("xavier_normal", lambda: nn.MultiheadAttention(64, 4), "in_proj_weight", {}, 0.0883),
        ("xavier_uniform", lambda: nn.Bilinear(8, 9, 40), "weight", {}, math.sqrt(2 / (72 + 360))),
        ("he_normal", lambda: nn.ConvTranspose2d(60, 10, 4), "weight", {}, 0.0468),
    ],
)
def test_a_layer_of_another_kind_has_the_fans_of_the_framework(name, layer, parameter, arguments, std):
    weights = [initialize(layer(), name, seed=seed, **arguments).get_parameter(parameter) for seed in range(40)]
    assert torch.stack(weights).std().item() == pytest.approx(std, rel=0.03)
    (entry,) = (one for one in initialize(layer(), name, dry_run=True, **arguments) if one.name == parameter)
    assert entry.basis == "law"
    assert entry.std == pytest.approx(std, rel=0.03)


@pytest.mark.parametrize("alias", ["kaiming_normal", "kaiming_uniform", "xavier_uniform", "xavier_normal"])
def test_torchs_names_are_torchs_laws(alias):
    for layer in (nn.Linear(70, 90), nn.Conv2d(8, 16, 5, groups=4), nn.ConvTranspose2d(16, 8, 5, groups=2)):
        theirs = getattr(nn.init, f"{alias}_")(torch.empty_like(layer.weight))
        for name in (alias, f"{alias}_"):
            ours = initialize(layer, name).weight
            assert stats.ks_2samp(ours.detach().flatten(), theirs.flatten()).pvalue > 1e-4


def test_an_alias_is_a_name_wherever_a_name_is_taken():
    assert gain("swish") == gain("silu")
    assert initialize(nn.Linear(4, 4), "orthogonal", gain="auto", activation="swish").weight.isfinite().all()
    by_role = initialize(nn.Linear(4, 4), "by_role", classifier="xavier_normal").weight
    assert torch.equal(by_role, initialize(nn.Linear(4, 4), "by_role", classifier="glorot_normal").weight)


# the forget gate


@pytest.mark.parametrize("name", ["glorot_uniform", "torch_default", "orthogonal"])
@pytest.mark.parametrize("layer", [lambda: nn.LSTM(3, 4, 2, bidirectional=True), lambda: nn.LSTMCell(3, 4)])
def test_the_two_biases_of_a_forget_gate_add_up_to_the_argument(layer, name):
    plain, module = initialize(layer(), name), initialize(layer(), name, forget_bias=1.5)
    for key, bias in module.named_parameters():
        rest = torch.ones(16, dtype=bool)
        if key.startswith("bias"):
            rest[4:8] = False
            assert (bias[4:8] == (1.5 if "bias_ih" in key else 0)).all()
        assert torch.equal(bias[rest], plain.get_parameter(key)[rest])
    entries = {one.name: one.law for one in initialize(layer(), name, forget_bias=1.5, dry_run=True)}
    assert {law for key, law in entries.items() if "bias_ih" in key} == {"forget gate 1.5"}


@pytest.mark.parametrize("module", [lambda: nn.Linear(2, 2), lambda: nn.GRU(2, 2), lambda: nn.LSTM(2, 2, bias=False)])
def test_a_forget_bias_without_a_forget_gate_is_a_mistake(module):
    with pytest.raises(UserError, match="forget_bias is for"):
        initialize(module(), "he_normal", forget_bias=1.0)
    for value in (math.nan, 1e39, "1", True):
        with pytest.raises(UserError, match="forget_bias takes a number or null, not"):
            initialize(nn.LSTM(2, 2), "he_normal", forget_bias=value)


# the dry run


@pytest.mark.parametrize("name", ALL_CLOSED)
def test_a_dry_run_says_what_initialize_then_does_and_touches_nothing(name):
    model = nn.Sequential(nn.Conv2d(16, 24, 3), nn.BatchNorm2d(24), nn.Conv2d(24, 48, 3, groups=3), nn.Linear(90, 40))
    before, mine = state(model), torch.Generator().manual_seed(0)
    table = initialize(model, name, generator=mine, dry_run=True)
    assert same(state(model), before)
    assert mine.get_state().equal(torch.Generator().manual_seed(0).get_state())
    initialize(model, name, generator=mine)
    assert [(entry.name, entry.shape) for entry in table] == [
        (key, tuple(p.shape)) for key, p in model.named_parameters()
    ]
    for entry in table:
        values = model.get_parameter(entry.name)
        assert entry.std == pytest.approx(
            values.std(correction=0).item(), rel=5 / math.sqrt(2 * values.numel()), abs=1e-7
        )
        if entry.fan_in:
            assert entry.basis == "law"
            assert entry.gain == pytest.approx(entry.std * math.sqrt(values[0].numel()))


def test_a_scheme_without_a_closed_form_says_that_its_std_was_measured(monkeypatch):
    monkeypatch.delitem(CLOSED, "orthogonal")
    model = Little()
    table = initialize(model, "orthogonal", dry_run=True)
    initialize(model, "orthogonal")
    measured = [entry for entry in table if entry.fan_in]
    assert {entry.basis for entry in measured} == {"measured"}
    assert all(
        entry.std == pytest.approx(model.get_parameter(entry.name).std(correction=0).item()) for entry in measured
    )


def test_a_table_prints_a_line_per_parameter():
    lines = str(initialize(Little(), "he_normal", dry_run=True)).splitlines()
    assert lines[0].split() == ["name", "shape", "role", "fan_in", "fan_out", "gain", "std", "basis", "law"]
    assert re.fullmatch(r"grouped\.weight +32x4x3x5 +other +60 +120 +1\.414 +0\.1826 +law +N\(0, 2/n_in\).*", lines[5])
    assert len(lines) == 1 + len([*Little().parameters()])
    assert str(initializers()).splitlines()[0].split() == ["name", "law", "source", "arguments"]


def test_an_entry_cannot_be_changed():
    (entry, _) = initialize(nn.Linear(2, 3), "he_normal", dry_run=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.std = 1.0


# activations, arguments, mistakes


def test_a_gain_takes_a_name_a_module_or_a_callable():
    assert gain("relu") == pytest.approx(math.sqrt(2), rel=1e-6)
    assert gain("gelu") == pytest.approx(gain(nn.functional.gelu), rel=1e-9)
    assert gain(nn.Mish()) == pytest.approx(gain(lambda x: x * torch.tanh(nn.functional.softplus(x))), rel=1e-9)
    assert gain(nn.Tanh(), "critical") == pytest.approx(gain("tanh", "critical"))


@pytest.mark.parametrize(("word", "kind"), [("auto", "second_moment"), ("critical", "critical")])
def test_a_gain_that_is_left_to_the_activation_is_its_number(word, kind):
    cubic = lambda x: x * torch.tanh(x)  # noqa: E731
    ours = initialize(Little(), "orthogonal", gain=word, activation=cubic)
    assert same(state(ours), state(initialize(Little(), "orthogonal", gain=gain(cubic, kind))))
    (entry, *_) = initialize(Little(), "orthogonal", gain=word, activation=cubic, dry_run=True)
    assert f"gain={gain(cubic, kind):.4g}" in entry.law


def test_an_argument_overrides_that_of_conf():
    model = initialize(nn.Linear(400, 300), "he_normal", gain=3)
    assert model.weight.std().item() == pytest.approx(3 / 20, rel=0.02)


def exploding(x):
    return torch.exp(x.square())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "he_norml"}, "no initializer is named 'he_norml'; did you mean he_normal"),
        ({"name": ["he_normal"]}, r"no initializer is named \"\['he_normal'\]\""),
        ({"name": "he_normal", "gian": 2.0}, "no argument of he_normal is named 'gian'; did you mean gain"),
        ({"name": "torch_default", "gain": 2.0}, "no argument of torch_default is named 'gain'"),
        ({"name": "he_normal", "mode": 3}, "mode takes a name, not 3"),
        ({"name": "he_normal", "mode": "fan_inn"}, "no mode is named 'fan_inn'; did you mean fan_in"),
        ({"name": "variance_scaling", "scale": -1.0}, "not positive and finite"),
        ({"name": "orthogonal", "gain": "best"}, "no gain is named 'best'.*auto, critical, or a number"),
        ({"name": "orthogonal", "gain": "auto", "activation": exploding}, "not positive and finite"),
        ({"name": "orthogonal", "gain": "auto", "activation": nn.Softmax(0)}, "elementwise"),
        ({"name": "orthogonal", "activation": nn.ReLU}, "not the class ReLU"),
        ({"name": "orthogonal", "activation": "rleu"}, "no activation is named 'rleu'; did you mean relu"),
        ({"name": "he_normal", "seed": 1.5}, "seed takes a whole number, not 1.5"),
        ({"name": "he_normal", "others": "kep"}, "no policy for others is named 'kep'; did you mean keep"),
        ({"name": "he_normal", "others": 3}, "no policy for others is named '3'"),
        ({"name": "he_normal", "device": "gpu"}, "no device is named 'gpu'"),
        ({"name": "he_normal", "device": "xpu:7"}, "no device is named 'xpu:7' here"),
        ({"name": "he_normal", "device": "meta"}, "device=meta has no memory for values"),
        ({"name": "he_normal", "batch": [1, 2]}, "a batch is a tensor of images"),
        ({"name": "lsuv", "batch": [torch.zeros(2, 3, 8, 8)] * 3}, "a batch is a tensor of images"),
        ({"name": "lsuv", "batch": torch.zeros(2, 3, 8, 8, device="meta")}, "on the device meta"),
        ({"name": "lsuv", "batch": torch.zeros(2, 3, 8, 8, dtype=torch.complex64)}, "these images are torch.complex64"),
        ({"name": "he_normal", "batch": (torch.zeros(2, 3, 8, 8), torch.zeros(3))}, "one per image"),
        (
            {"name": "gradinit", "batch": (torch.zeros(4, 3, 8, 8), torch.rand(4))},
            "the labels of a batch are torch.flo",
        ),
        ({"name": "lsuv"}, "needs data and got none"),
        ({"name": "lsuv", "batch": torch.zeros(2, 5, 8, 8)}, "lsuv cannot fill this Little"),
    ],
)
def test_a_mistake_is_a_sentence_and_leaves_the_model_as_it_was(arguments, sentence):
    model, mine = Little(), torch.Generator().manual_seed(0)
    before = state(model)
    with pytest.raises(UserError, match=sentence) as refusal:
        initialize(model, generator=None if "seed" in arguments else mine, **arguments)
    assert "\n" not in str(refusal.value)
    assert same(state(model), before)
    assert mine.get_state().equal(torch.Generator().manual_seed(0).get_state())


@pytest.mark.parametrize("generator", [3, "cpu", torch.default_generator.get_state()])
def test_what_is_no_generator_is_refused(generator):
    with pytest.raises(UserError, match=r"generator takes a torch\.Generator, not .*; a whole number is a seed"):
        initialize(nn.Linear(2, 2), "he_normal", generator=generator)


def test_a_matrix_of_whole_numbers_without_a_rule_is_not_filled():
    model = nn.Sequential(nn.Linear(2, 2))
    model.register_parameter("table", nn.Parameter(torch.ones(3, 3, dtype=torch.int64), requires_grad=False))
    before = model[0].weight.clone()
    with pytest.raises(UserError, match=r"table is torch\.int64; weights are drawn in real"):
        initialize(model, "he_normal", others="fill")
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (lambda: nn.Sequential(nn.ReLU()), "Sequential has no parameters to initialize"),
        (lambda: [nn.Linear(2, 2)], "takes a torch.nn.Module, not list"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "0.weight has no shape yet"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)), "weight .* is computed from"),
        (lambda: nn.Sequential(nn.Linear(2, 3), Token()), "no initializer knows 1.token, 1.my_bias, 1.scale"),
    ],
)
def test_a_module_that_cannot_be_filled_is_named(module, sentence):
    with pytest.raises(UserError, match=sentence):
        initialize(module(), "he_normal")


@pytest.mark.parametrize("meta", [False, True])
def test_an_error_in_the_last_layer_leaves_the_first_as_it_was(meta, monkeypatch):
    from bench.parts.initializer import variance_scaling as room

    def fails_at_the_head(sigma):
        def draw(values, stream):
            if values.shape == (10, 32):
                raise ValueError("the head is too narrow")
            values.fill_(1)

        return draw

    monkeypatch.setitem(room.DISTRIBUTIONS, "normal", fails_at_the_head)
    with torch.device("meta" if meta else "cpu"):
        model = Little()
    tensors, before = dict(model.state_dict(keep_vars=True)), state(model)
    with pytest.raises(UserError, match="he_normal cannot fill this Little: the head is too narrow"):
        initialize(model, "he_normal")
    assert all(model.state_dict(keep_vars=True)[name] is tensor for name, tensor in tensors.items())
    assert meta or same(state(model), before)


def test_values_that_a_precision_does_not_hold_are_refused():
    model = Little().half()
    before = state(model)
    with pytest.raises(UserError, match=r"stem.weight values that torch.float16 does not hold"):
        initialize(model, "he_normal", gain=1e6)
    assert same(state(model), before)


@pytest.mark.parametrize("labels", [False, True])
def test_a_law_that_looks_at_data_takes_images_of_any_precision(labels):
    images = torch.randn(32, 3, 12, 12, generator=torch.Generator().manual_seed(0)).half()
    model = Little().half()
    batch = (images, torch.arange(32) % 10) if labels else images
    initialize(model, "lsuv", batch=batch)
    assert model.float()(images.float()).var().item() == pytest.approx(1, abs=0.05)  # its tolerance is 0.02, in float32


# the package


def test_no_argument_of_an_initializer_is_hidden_by_one_of_the_call():
    taken = set(inspect.signature(initialize).parameters) - {"arguments"}
    assert all(taken.isdisjoint(catalogue.arguments(option)) for option in OPTIONS.values())


def test_initializers_lists_what_initialize_takes():
    assert [one.name for one in initializers()] == list(OPTIONS)
    assert all(one.law and one.source for one in initializers())


def test_the_package_brings_in_torch_only_when_it_is_needed():
    code = (
        "import sys, bench; early = 'torch' in sys.modules; bench.gain; sys.exit(early or 'torch' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'initialise'"):
        bench.initialise  # noqa: B018
    assert set(bench.__all__) <= set(dir(bench))


def test_type_checkers_find_types():
    assert (catalogue.CONF.parent / "bench" / "py.typed").is_file()


def test_the_code_of_the_readme_runs():
    section = README.partition("## In your own code")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert blocks
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(block, names)
    assert "layer1.0.conv1.weight" in printed.getvalue()


def test_what_a_constructor_draws_cannot_be_had_from_initialize():
    layer = nn.Linear(3, 3)
    before = layer.weight.detach().clone()
    with pytest.raises(UserError, match="calls no constructor: build the model again after"):
        initialize(layer, "as_shipped")
    assert torch.equal(layer.weight, before)
