"""A pack never changes a result: replica k is the run trained alone, but for the rounding of sums."""

import dataclasses
import gc
import weakref
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench import catalogue
from bench.parts.seeds import generator
from bench.schema import DIVERGED, OK, PREEMPTED
from bench.train import capture, checkpoint, engine, pack, stop, update
from bench.train.contract import task_of
from bench.train.trainer import Trainer, budget_of

TINY = ("dataset=synthetic", "batch_size=16", "warmup_steps=3")
EXACT = torch.autocast("cpu", torch.bfloat16, enabled=False)


@pytest.fixture
def trainers(runs_of, machine):
    """The trainings of the runs that these overrides name, their weights and images in this precision."""

    def trainers(*overrides, sizes=("model.width=4",), precision=torch.float64):
        given = {word.partition("=")[0] for word in overrides}
        tiny = (word for word in (*TINY, *sizes) if word.partition("=")[0] not in given)
        return [trainer(run, machine, precision) for run in runs_of(*tiny, *overrides)]

    return trainers


def trainer(run, machine, precision):
    data, model, _ = task_of(run).prepare(run, machine)
    splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
    splits = {name: split._replace(images=split.images.to(precision)) for name, split in splits.items()}
    data = dataclasses.replace(data, **splits)
    budget = budget_of(data, **{key: run.choices[key] for key in ("epochs", "steps", "batch_size", "warmup_steps")})
    return Trainer(run, machine, data, model.to(precision), budget, 0.5, EXACT, 0.0, 1)


def trained(trainers, graphed=False):
    return pack.train(trainers, engine.builder(EXACT), graphed)


def alone(trainers):
    return [status for one in trainers for status in trained([one])]


def distance(ours: nn.Module, theirs: nn.Module) -> float:
    """The largest relative difference of any parameter or statistic."""
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    return max(float((one - other).double().norm() / other.double().norm().clamp_min(1e-30)) for one, other in pairs)


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize(
    "shape",
    [
        ("model=resnet8", "activation=relu"),
        ("model=resnet8", "activation=tanh", "normalization=none", "model.shortcut=B"),
        ("model=plain8", "activation=prelu", "optimizer=adam"),
        ("model=resnet8", "initializer=fixup", "normalization=none", "activation=gelu"),
    ],
    ids=lambda shape: " ".join(shape),
)
def test_after_twenty_steps_a_replica_is_the_run_alone(shape, size, trainers):
    asked = (*shape, "steps=20", f"seed=range({size})")
    together, apart = trainers(*asked), trainers(*asked)
    assert trained(together) == alone(apart) == [OK] * size
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
        torch.testing.assert_close(ours.losses, theirs.losses, rtol=1e-10, atol=0)


OTHERS = [  # a small net of each family
    ("preact_resnet20", {"depth": 8, "width": 4}),
    ("preact_resnet164", {"depth": 11, "width": 4}),
    ("resnet164", {"depth": 11, "width": 4}),
    ("se_resnet20", {"depth": 8, "width": 4}),
    ("wrn16_8", {"depth": 10, "widen": 1}),
    ("resnext29_8x64d", {"depth": 11, "cardinality": 2, "base_width": 4}),
    ("he2015_22", {"width_multiplier": 0.05}),
    ("he2015_30", {"width_multiplier": 0.05}),
    ("convnext_femto", {"depths": [1, 1, 1, 1], "widths": [8, 8, 8, 8]}),
]


def assert_alike(trainers, *asked, sizes=()):
    together, apart = (trainers(*asked, "seed=range(2)", sizes=sizes) for _ in range(2))
    assert trained(together) == alone(apart) == [OK] * len(together)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-9


@pytest.mark.parametrize("normalization", catalogue.options("normalization"))
def test_a_replica_is_the_run_alone_with_each_normalization(normalization, trainers):
    assert_alike(trainers, "model=resnet8", "model.width=8", f"normalization={normalization}", "steps=5")


@pytest.mark.parametrize(("model", "arguments"), OTHERS, ids=[model for model, _ in OTHERS])
def test_a_replica_is_the_run_alone_with_each_family_of_models(model, arguments, trainers):
    sizes = [f"model.{key}={value}" for key, value in arguments.items()]
    # a bias before batch norm changes nothing, so that its value is rounding
    norm = "layer2d" if model == "convnext_femto" else "batch"
    assert_alike(trainers, f"model={model}", f"normalization={norm}", "steps=3", sizes=sizes)


def test_after_one_step_in_single_precision_a_replica_is_the_run_alone(trainers):
    asked = ("model=resnet8", "steps=1", "warmup_steps=1", "seed=range(3)")
    together, apart = (trainers(*asked, precision=torch.float32) for _ in range(2))
    trained(together), alone(apart)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-4


def test_replicas_keep_their_own_learning_rates_and_schedules(trainers):
    asked = ("model=resnet8", "steps=12", "optimizer.learning_rate=0.01,0.1", "schedule=constant,cosine")
    together, apart = trainers(*asked), trainers(*asked)
    trained(together), alone(apart)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
    assert distance(together[0].model, together[-1].model) > 1e-3


def test_a_diverged_replica_leaves_the_others_untouched(trainers):
    asked = ("model=resnet8", "normalization=none", "steps=60", "optimizer.learning_rate=0.01,1e30,0.02")
    together, apart = trainers(*asked), trainers(*asked)
    assert trained(together) == alone(apart) == [OK, DIVERGED, OK]
    for place in (0, 2):
        assert distance(together[place].model, apart[place].model) < 1e-10
        for ours, theirs in zip(together[place].curve, apart[place].curve, strict=True):
            assert ours == pytest.approx(theirs)


def batches_of(trainers, monkeypatch):
    """Images and labels of each run at each step of an epoch of a pack."""
    seen = []

    class Watching:
        def __init__(self, models):
            self.engine = engine.builder(EXACT)(models)

        def __getattr__(self, name):
            return getattr(self.engine, name)

        def losses(self, images, labels):
            seen.append((images.clone(), labels.clone()))
            return self.engine.losses(images, labels)

    pack.train(trainers, Watching)
    return seen


def test_weights_and_batches_are_those_of_the_run_alone_to_the_last_bit(trainers, monkeypatch):
    asked = ("model=resnet8", "steps=5", "warmup_steps=2", "seed=range(3)")
    together, apart, stacks = (trainers(*asked, precision=torch.float32) for _ in range(3))
    engine.Stacked([one.model for one in stacks], EXACT)
    for ours, theirs in zip(stacks, apart, strict=True):
        assert all(map(torch.equal, ours.model.state_dict().values(), theirs.model.state_dict().values()))
    ours = batches_of(together, monkeypatch)
    theirs = [batches_of([one], monkeypatch) for one in apart]
    assert len(ours) == 5
    for step, parts in enumerate(ours):
        for part, *each in zip(parts, *(alone[step] for alone in theirs), strict=True):
            assert torch.equal(part, torch.cat(each))


def test_the_batches_of_an_epoch_are_those_that_its_generators_draw_one_by_one(trainers, monkeypatch):
    (one,) = trainers("model=resnet8", "steps=5", "seed=3", precision=torch.float32)
    order, augmentation = generator(3, "order"), generator(3, "augment")
    indices = torch.randperm(256, generator=order).split(16)
    for place, (images, labels) in enumerate(batches_of([one], monkeypatch)):
        chosen = one.data.train.take(indices[place])
        expected = one.data.augment(chosen.images, one.data.draw(16, augmentation))
        assert torch.equal(images[0], expected)
        assert torch.equal(labels[0], chosen.labels)


class Optimizers:
    """The optimizer of the suite that is asked for."""

    SGD = ("optimizer=sgd", "optimizer.nesterov=true")
    PLAIN = ("optimizer=sgd", "optimizer.momentum=0.0")
    ADAM = ("optimizer=adam", "optimizer.weight_decay=0.01")
    ADAMW = ("optimizer=adamw", "optimizer.decay_norm_and_bias=true")


@pytest.mark.parametrize(
    "optimizer", [Optimizers.SGD, Optimizers.PLAIN, Optimizers.ADAM, Optimizers.ADAMW], ids=" ".join
)
def test_one_optimizer_steps_a_pack_as_those_of_its_runs(trainers, optimizer):
    asked = ("model=resnet8", "steps=20", "optimizer.learning_rate=0.003,0.03", "initializer=fixup,he_normal")
    unlike = trainers(*asked, *optimizer, "normalization=none")
    for place in (0, 1):  # runs with other factors on their rates are stepped by their own optimizers
        same = [one for one in unlike if one.run.choices["initializer"] == ("fixup", "he_normal")[place]]
        assert update.alike(same)
    assert not update.alike(unlike)
    together, apart = (trainers(*asked[:-1], *optimizer) for _ in range(2))
    assert trained(together) == alone(apart) == [OK] * 2
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
        states = [one.optimizer.state_dict()["state"] for one in (ours, theirs)]
        torch.testing.assert_close(*states, rtol=1e-9, atol=1e-12)


def test_runs_with_optimizers_of_several_kinds_train_in_one_pack(trainers):
    asked = ("model=resnet8", "steps=5", "optimizer=sgd,adam")
    together, apart = trainers(*asked), trainers(*asked)
    trained(together), alone(apart)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_pack_that_is_stopped_goes_on_as_if_it_had_not_been(trainers, monkeypatch, optimizer):
    asked = ("model=resnet8", "steps=40", f"optimizer={optimizer}", "seed=range(3)")
    whole, first, second = trainers(*asked), trainers(*asked), trainers(*asked)
    calls = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(stop, "requested", lambda: next(calls) == 20)
        assert trained(first) == [PREEMPTED] * 3
    assert {one.steps for one in first} == {21}
    pack_of_two, late = first[:2], second[2]
    for one, other in zip(second, pack_of_two, strict=False):
        one.load_state_dict(checkpoint.loaded(checkpoint.saved(other.state_dict())))
    assert late.steps == 0  # it lost its checkpoint, and trains by itself
    assert trained(second) == trained(whole) == [OK] * 3
    for ours, theirs in zip(second, whole, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
        assert ours.curve == [pytest.approx(entry) for entry in theirs.curve]


class Recorder(TorchDispatchMode):
    """Stands in for a GPU that captures: records the operators of a step, and plays them into the same storages.

    Recording changes nothing, and what is computed once stays where it is: a tensor that the step made or took from the
    host at its capture is stale at its replays, as on a GPU. A number that the host reads ends the capture.
    """

    def __init__(self):
        super().__init__()
        self.tape, self.made, self.before = [], set(), {}

    def warm_up(self, step):
        step()

    def capture(self, step):
        with self:
            step()
        for storage, content in self.before.values():
            storage.copy_(content)
        return self.play

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in READS:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        declared = {one.name: one for one in function._schema.arguments}
        given = dict(zip(declared, args, strict=False)) | kwargs
        for name, value in given.items():
            alias = declared[name].alias_info
            if (alias and alias.is_write) or (function is BATCH_NORM and name.startswith("running")):
                for tensor in tensors_of(value):
                    storage = tensor.untyped_storage()
                    if storage.data_ptr() not in self.made | {*self.before}:
                        self.before[storage.data_ptr()] = storage, storage.clone()
        held = {tensor.untyped_storage().data_ptr() for tensor in tensors_of(given)}
        found = function(*args, **kwargs)
        self.made |= {tensor.untyped_storage().data_ptr() for tensor in tensors_of(found)} - held
        self.tape.append((function, args, kwargs, found))
        return found

    @torch.no_grad()
    def play(self):
        for function, args, kwargs, found in self.tape:
            for old, new in zip(tensors_of(found), tensors_of(function(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


BATCH_NORM = torch.ops.aten.native_batch_norm.default  # does not declare that it writes into running statistics
READS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default, torch.ops.aten.equal.default}


def tensors_of(tree):
    return [one for one in tree_leaves(tree) if isinstance(one, torch.Tensor)]


@pytest.fixture
def captured(monkeypatch):
    """Let steps be captured here; the recorders."""
    recorders = []
    monkeypatch.setattr(capture, "Cuda", lambda: recorders.append(Recorder()) or recorders[-1])
    adam = import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda **_: ["cpu"])
    monkeypatch.setattr(adam, "_get_scalar_dtype", lambda is_fused=None: torch.float64)  # else it counts in float32
    return recorders


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("size", [1, 3])
def test_captured_steps_are_the_steps(trainers, captured, size, optimizer):
    asked = ("model=resnet8", "steps=40", f"seed=range({size})", f"optimizer={optimizer}", "dataset.validation=40")
    ours, plain = trainers(*asked), trainers(*asked)
    assert trained(ours, graphed=True) == trained(plain) == [OK] * size
    assert [one.graphed for one in ours + plain] == [True] * size + [False] * size
    assert len(captured) == 1
    for one, other in zip(ours, plain, strict=True):
        assert len(one.curve) == 3
        assert distance(one.model, other.model) < 1e-10
        torch.testing.assert_close(one.losses, other.losses, rtol=1e-10, atol=0)


def test_a_capture_that_fails_leaves_steps_as_they_are_and_says_so(trainers, captured, monkeypatch, capsys):
    def fail(self, step):
        raise torch.OutOfMemoryError("CUDA out of memory\nand more")

    monkeypatch.setattr(Recorder, "capture", fail)
    asked = ("model=resnet8", "steps=20", "seed=range(2)")
    ours, plain = trainers(*asked), trainers(*asked)
    assert trained(ours, graphed=True) == trained(plain)
    assert not any(one.graphed for one in ours)
    assert capsys.readouterr().err == (
        "graph: the step cannot be captured, and is launched as it is (CUDA out of memory)\n"
    )
    assert all(distance(one.model, other.model) == 0 for one, other in zip(ours, plain, strict=True))


def test_a_step_that_the_host_has_to_read_is_not_captured(trainers, captured, monkeypatch, capsys):
    (one,) = trainers("model=resnet8", "steps=6")
    augment = type(one.data).augment
    monkeypatch.setattr(
        type(one.data), "augment", lambda self, images, moves: augment(self, images, moves * int(1 + 0 * moves.sum()))
    )
    assert trained([one], graphed=True) == [OK]
    assert "not permitted when stream is capturing" in capsys.readouterr().err


def test_an_error_of_a_later_step_is_the_error_of_the_pack(trainers, captured, monkeypatch):
    play, played = Recorder.play, []

    def fail(self):
        played.append(self)
        if len(played) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        play(self)

    monkeypatch.setattr(Recorder, "play", fail)
    with pytest.raises(torch.OutOfMemoryError):
        trained(trainers("model=resnet8", "steps=20", "seed=range(2)"), graphed=True)


def test_optimizers_of_several_kinds_are_not_captured(trainers, captured, capsys):
    assert trained(trainers("model=resnet8", "steps=5", "optimizer=sgd,adam"), graphed=True) == [OK] * 2
    assert captured == []
    assert "no one optimizer can step its runs" in capsys.readouterr().err


class Waits(TorchDispatchMode):
    """Fails on what a host would wait for a device for, and on random draws, which are made on the host."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in READS or "rand" in str(function) or (kwargs and "pin_memory" in str(function)):
            raise AssertionError(f"{function} within an epoch")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("size", "graphed"), [(1, False), (3, False), (3, True)])
def test_within_an_epoch_the_host_neither_waits_nor_draws(trainers, captured, size, graphed):
    many = trainers("model=resnet8", "steps=16", f"seed=range({size})")
    whole = pack.Pack(many, engine.builder(EXACT), graphed)
    step = whole.stepping(graphed)
    whole.begin_epoch()
    whole.take(step)  # the first step takes the norm of the gradients
    with Waits():
        for _ in range(many[0].left):
            whole.take(step)
    assert many[0].left == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_pack_is_gone_before_a_smaller_one_is_made(trainers, captured, monkeypatch, optimizer):
    packs, alive = [], []
    original = pack.Pack.__init__

    def watched(self, trainers, *others):
        alive.append([len(one().trainers) for one in packs if one()])
        packs.append(weakref.ref(self))
        original(self, trainers, *others)

    monkeypatch.setattr(pack.Pack, "__init__", watched)
    monkeypatch.setattr(gc, "collect", lambda: pytest.fail("it was kept alive by a circle"))
    asked = ("model=resnet8", "normalization=none", "steps=40", f"optimizer={optimizer}")
    ours, apart = (trainers(*asked, "optimizer.learning_rate=0.003", "seed=0,1") for _ in range(2))
    nn.init.constant_(ours[1].model.linear.weight, torch.nan)
    gc.disable()
    try:
        assert trained(ours, graphed=True) == [OK, DIVERGED]
    finally:
        gc.enable()
    assert alive == [[], []]
    assert len(captured) == 2  # what is left of the pack is captured as well
    alone(apart[:1])
    assert distance(ours[0].model, apart[0].model) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2])
def test_compiled_steps_are_the_steps(trainers, size):
    asked = ("model=resnet8", "steps=20", f"seed=range({size})")
    compiled, plain = trainers(*asked), trainers(*asked)
    pack.train(compiled, engine.builder(EXACT, compiled=True))
    trained(plain)
    for ours, theirs in zip(compiled, plain, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("size", [1, 4])
def test_steps_captured_on_a_gpu_are_the_steps(runs_of, machine, size):
    there = dataclasses.replace(machine, device="cuda")
    runs = runs_of(*TINY, "model=resnet8", "steps=20", f"seed=range({size})")
    captured, plain = ([trainer(run, there, torch.float64) for run in runs] for _ in range(2))
    exact = torch.autocast("cuda", torch.bfloat16, enabled=False)
    for trainers, graphed in ((captured, True), (plain, False)):
        assert pack.train(trainers, engine.builder(exact), graphed) == [OK] * size
        assert {one.graphed for one in trainers} == {graphed}
    for ours, theirs in zip(captured, plain, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10


def test_any_module_can_be_packed_such_as_torchvisions(runs_of, machine):
    asked = ("dataset=synthetic", "model=resnet18", "batch_size=8", "steps=2", "seed=0,1")
    together, apart = ([trainer(run, machine, torch.float64) for run in runs_of(*asked)] for _ in range(2))
    trained(together), alone(apart)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
