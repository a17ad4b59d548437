"""A pack never changes a result: replica k is the run trained alone, but for the rounding of sums."""

import dataclasses

import pytest
import torch
from torch import nn

from bench import catalogue
from bench.schema import DIVERGED, OK
from bench.train import engine
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
    data, model = task_of(run).prepare(run, machine)
    splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
    splits = {name: split._replace(images=split.images.to(precision)) for name, split in splits.items()}
    data = dataclasses.replace(data, **splits)
    budget = budget_of(data, **{key: run.choices[key] for key in ("epochs", "steps", "batch_size", "warmup_steps")})
    return Trainer(run, machine, data, model.to(precision), budget, 0.0, 0.5, EXACT, 0.0, 1)


def trained(trainers):
    models, courses = [one.model for one in trainers], [one.fit(lambda _: False) for one in trainers]
    return engine.train(models, courses, engine.builder(EXACT))


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
        torch.testing.assert_close(torch.stack(ours.losses), torch.stack(theirs.losses), rtol=1e-10, atol=0)


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


def test_weights_and_batches_are_those_of_the_run_alone_to_the_last_bit(trainers):
    asked = ("model=resnet8", "steps=2", "warmup_steps=2", "seed=range(3)")
    together, apart = trainers(*asked, precision=torch.float32), trainers(*asked, precision=torch.float32)
    engine.Stacked([one.model for one in together], EXACT, compiled=False)
    for ours, theirs in zip(together, apart, strict=True):
        assert all(map(torch.equal, ours.model.state_dict().values(), theirs.model.state_dict().values()))
        first, other = next(ours.fit(lambda _: False)), next(theirs.fit(lambda _: False))
        assert torch.equal(first.images, other.images)
        assert torch.equal(first.labels, other.labels)


def test_a_model_that_would_draw_other_numbers_in_a_pack_is_refused():
    models = [nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 2)) for _ in range(2)]
    batches = [engine.Batch(torch.ones(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64), 0.0)] * 2
    with pytest.raises(RuntimeError, match="random"):
        engine.Stacked(models, EXACT, compiled=False).losses(batches)
    assert len(engine.Alone(models[0], EXACT, compiled=False).losses(batches[:1])) == 1


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_frozen_or_unused_has_no_gradient_alone_or_in_a_pack(size):
    models = [Partly() for _ in range(size)]
    engine.builder(EXACT)(models).losses(
        [engine.Batch(torch.ones(3, 2), torch.zeros(3, dtype=torch.int64), 0.0)] * size
    )
    for model in models:
        assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == ["learnt.weight"]


class Partly(nn.Module):
    """A linear map that learns, one that is frozen, and one that nothing depends on."""

    def __init__(self):
        super().__init__()
        self.learnt, self.frozen, self.unused = (nn.Linear(2, 2, bias=False) for _ in range(3))
        self.frozen.requires_grad_(False)

    def forward(self, images):
        return self.learnt(self.frozen(images))


def again_and_again(step):
    """In place of a GPU's graph: the step is done anew, and what it finds goes where it was at first."""
    found = step()

    def play():
        for own, value in zip(found, step(), strict=True):
            own.copy_(value)

    return play, found


@pytest.mark.parametrize("size", [1, 3])
def test_captured_steps_are_the_steps(trainers, size):
    asked = ("model=resnet8", "steps=20", f"seed=range({size})")
    captured, plain = trainers(*asked), trainers(*asked)

    def build(models):
        return engine.Graphed(engine.builder(EXACT)(models), models, again_and_again)

    assert (
        engine.train([one.model for one in captured], [one.fit(lambda _: False) for one in captured], build)
        == [OK] * size
    )
    trained(plain)
    for ours, theirs in zip(captured, plain, strict=True):
        assert distance(ours.model, theirs.model) == 0
        assert torch.equal(torch.stack(ours.losses), torch.stack(theirs.losses))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2])
def test_compiled_steps_are_the_steps(trainers, size):
    asked = ("model=resnet8", "steps=20", f"seed=range({size})")
    compiled, plain = trainers(*asked), trainers(*asked)
    build = engine.builder(EXACT, compiled=True)
    engine.train([one.model for one in compiled], [one.fit(lambda _: False) for one in compiled], build)
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
        models, courses = [one.model for one in trainers], [one.fit(lambda _: False) for one in trainers]
        assert engine.train(models, courses, engine.builder(exact, graphed=graphed)) == [OK] * size
    for ours, theirs in zip(captured, plain, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10


class Tied(nn.Module):
    """Two convolutions with one kernel, and two norms with one running mean."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))
        self.double()  # which would untie buffers
        self.second.weight = self.first.weight
        self.norms[1].running_mean = self.norms[0].running_mean

    def forward(self, images):
        hidden = self.norms[0](self.first(images)).relu()
        return self.norms[1](self.second(hidden)).mean((2, 3))


class Counting(nn.Module):
    """Buffers of several kinds: a count written into, one replaced, and a mean that the output depends on."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("steps", torch.tensor(3, dtype=torch.int32), persistent=False)
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, images):
        self.images += len(images)
        self.steps = self.steps + 1
        self.mean = self.mean + (images.mean(0) - self.mean) / self.steps
        return self.linear(images - self.mean)


def steps(kind, shape, stack):
    """Three of these models after five steps of SGD, in a pack or alone, with their last losses."""
    torch.manual_seed(0)
    models = [kind().double() for _ in range(3)]
    optimizers = [torch.optim.SGD(model.parameters(), 0.1 * (1 + place)) for place, model in enumerate(models)]
    engines = [engine.Stacked(models, EXACT, False)] if stack else [engine.Alone(one, EXACT, False) for one in models]
    for _ in range(5):
        images, labels = torch.randn(3, 4, *shape, dtype=torch.float64), torch.randint(2, (3, 4))
        batches = [engine.Batch(*one, 0.0) for one in zip(images, labels, strict=True)]
        shares = [batches] if stack else [[one] for one in batches]
        losses = [loss for one, share in zip(engines, shares, strict=True) for loss in one.losses(share)]
        for optimizer in optimizers:
            optimizer.step()
    return models, losses


@pytest.mark.parametrize(("kind", "shape"), [(Tied, (3, 4, 4)), (Counting, (2,))])
def test_tied_parameters_and_buffers_of_any_kind_are_those_of_the_run_alone(kind, shape):
    together, losses = steps(kind, shape, stack=True)
    apart, expected = steps(kind, shape, stack=False)
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=0)
    for ours, theirs in zip(together, apart, strict=True):
        torch.testing.assert_close(dict(ours.named_parameters()), dict(theirs.named_parameters()), rtol=1e-10, atol=0)
        torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), rtol=1e-10, atol=1e-15)
    if kind is Tied:
        one = together[1]
        assert one.first.weight is one.second.weight
        assert one.norms[0].running_mean is one.norms[1].running_mean


def test_models_that_differ_outside_their_tensors_are_not_stacked():
    models = [nn.Sequential(nn.LeakyReLU(slope)) for slope in (0.1, 0.1, 0.2)]
    engine.Stacked(models[:2], EXACT, False)
    with pytest.raises(RuntimeError, match=r"differ outside their parameters and buffers, in 0\.negative_slope"):
        engine.Stacked(models, EXACT, False)


def test_any_module_can_be_packed_such_as_torchvisions(runs_of, machine):
    asked = ("dataset=synthetic", "model=resnet18", "batch_size=8", "steps=2", "seed=0,1")
    together, apart = ([trainer(run, machine, torch.float64) for run in runs_of(*asked)] for _ in range(2))
    trained(together), alone(apart)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
