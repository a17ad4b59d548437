"""A pack never changes a result: replica k is the run trained alone, but for the rounding of sums."""

import dataclasses

import pytest
import torch
from torch import nn

from bench.schema import DIVERGED, OK
from bench.train import engine
from bench.train.contract import task_of
from bench.train.trainer import Trainer, budget_of

TINY = ("dataset=synthetic", "model.width=4", "batch_size=16", "warmup_steps=3")
EXACT = torch.autocast("cpu", torch.bfloat16, enabled=False)


@pytest.fixture
def trainers(runs_of, machine):
    """The trainings of the runs that these overrides name, their weights and images in this precision."""

    def trainers(*overrides, precision=torch.float64):
        given = {word.partition("=")[0] for word in overrides}
        tiny = (word for word in TINY if word.partition("=")[0] not in given)
        return [trainer(run, machine, precision) for run in runs_of(*tiny, *overrides)]

    return trainers


def trainer(run, machine, precision):
    data, model, _ = task_of(run).prepare(run, machine)
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


def test_any_module_can_be_packed_such_as_torchvisions(runs_of, machine):
    asked = ("dataset=synthetic", "model=resnet18", "batch_size=8", "steps=2", "seed=0,1")
    together, apart = ([trainer(run, machine, torch.float64) for run in runs_of(*asked)] for _ in range(2))
    trained(together), alone(apart)
    for ours, theirs in zip(together, apart, strict=True):
        assert distance(ours.model, theirs.model) < 1e-10
