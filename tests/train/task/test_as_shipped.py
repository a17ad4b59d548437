"""The arm `as_shipped`: the weights that the constructor of a model draws, decided by the seed of the run alone."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from bench import registry
from bench.parts.initializer.fans import fans
from bench.schema import UserError
from bench.train.contract import task_of
from bench.train.pack import train as train_pack
from bench.train.task import train

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=2", "batch_size=16")


def model(run, machine):
    return task_of(run).prepare(run, machine).model


def weights(run, machine):
    return torch.cat([value.double().flatten() for value in model(run, machine).state_dict().values()])


@pytest.fixture
def own_net(monkeypatch):
    """Let the model of a run be a linear layer that this function fills."""

    def own_net(fill):
        def build(shape, classes, activation, normalization, residual, *, depth, width, shortcut):
            layer = nn.utils.skip_init(nn.Linear, int(np.prod(shape)), classes, bias=False)  # torch draws nothing
            net = nn.Sequential(nn.Flatten(), layer)
            net[1].weight.data = fill(net[1].weight.data)
            return net

        functions = registry._functions["model"] | {"resnet": build}
        monkeypatch.setitem(registry._functions, "model", functions)

    return own_net


def test_the_weights_of_a_seed_are_the_same_whatever_ran_before_in_the_process(runs_of, machine):
    one, other = runs_of(*TINY, "initializer=as_shipped", "seed=3,4")
    first = weights(one, machine)
    torch.manual_seed(99)
    assert not torch.equal(first, weights(other, machine))
    assert torch.equal(first, weights(one, machine))
    assert not torch.equal(first, weights(*runs_of(*TINY, "initializer=torch_default", "seed=3"), machine))


def test_a_run_of_a_pack_starts_from_the_weights_that_it_has_alone(runs_of, machine, monkeypatch):
    runs = runs_of(*TINY, "initializer=as_shipped", "seed=0,1,2")
    starts = []

    def recording(trainers, build, graphed):
        starts.extend(one.model.conv1.weight.detach().clone() for one in trainers)
        return train_pack(trainers, build, graphed)

    monkeypatch.setattr(train.pack, "train", recording)
    task_of(runs[0]).perform(runs, machine)
    assert all(map(torch.equal, starts, [model(run, machine).conv1.weight for run in runs]))


def test_draws_of_numpy_and_random_follow_the_seed_too(runs_of, machine, own_net):
    own_net(lambda weight: torch.full_like(weight, random.random() + np.random.rand()))  # noqa: NPY002
    one, other = runs_of(*TINY, "initializer=as_shipped", "seed=3,4")
    first = weights(one, machine)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    assert torch.equal(first, weights(one, machine))
    assert not torch.equal(first, weights(other, machine))


def test_a_constructor_that_no_seed_reaches_is_refused_where_its_weights_are_to_be_kept(runs_of, machine, own_net):
    own_net(lambda weight: torch.from_numpy(np.random.default_rng().normal(size=weight.shape)).float())
    kept, drawn = runs_of(*TINY, "initializer=as_shipped,he_normal")
    with pytest.raises(UserError, match="resnet8 draws from a generator of its own, which no seed reaches"):
        model(kept, machine)
    assert torch.equal(weights(drawn, machine), weights(drawn, machine))


def test_no_number_of_the_constructor_comes_back_in_the_weights_of_another_initializer(runs_of, machine, own_net):
    own_net(torch.randn_like)
    kept, drawn = (weights(run, machine) for run in runs_of(*TINY, "initializer=as_shipped,he_normal"))
    ratios = kept[:50] / drawn[:50]
    assert ratios.std() > 0.1 * ratios.abs().mean()


def test_torchvisions_resnets_keep_the_law_of_torchvision_in_the_stem_that_is_fitted(runs_of, machine):
    (run,) = runs_of("dataset=synthetic", "model=resnet18", "initializer=as_shipped", "batch_size=16")
    stem = model(run, machine).conv1.weight.detach()
    assert stem.std().item() == pytest.approx((2 / fans(stem)[1]) ** 0.5, rel=0.05)
