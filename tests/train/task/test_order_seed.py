"""A seed of its own for the order of the batches crosses what the run's seed alone confounds."""

import pytest
import torch

from bench import registry
from bench.parts.dataset.tensors import Dataset
from bench.schema import UserError
from bench.train.contract import task_of

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "epochs=1", "batch_size=16")


@pytest.fixture
def batches(runs_of, machine, monkeypatch):
    """What a run is trained on: all its batches of images."""
    original = Dataset.augment

    def of(*overrides):
        seen = []
        monkeypatch.setattr(Dataset, "augment", lambda *given: seen.append(original(*given)) or seen[-1])
        (run,) = runs_of(*TINY, *overrides)
        task_of(run).perform([run], machine)[0]
        return torch.cat(seen)

    return of


def test_runs_that_share_order_and_split_meet_the_same_batches_whatever_their_seed(batches):
    fixed = ("order_seed=7", "dataset.split_seed=0")
    assert torch.equal(batches("seed=0", *fixed), batches("seed=1", *fixed))
    assert not torch.equal(batches("seed=0", "order_seed=7"), batches("seed=0", "order_seed=8"))


def test_without_an_order_seed_it_is_that_of_the_run(batches):
    assert torch.equal(batches("seed=3"), batches("seed=0", "order_seed=3", "dataset.split_seed=3"))


def test_an_order_seed_leaves_the_weights_alone(runs_of, machine):
    first, second = (task_of(run).prepare(run, machine)[1].state_dict() for run in runs_of(*TINY, "order_seed=1,2"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_order_seed_is_a_whole_number(runs_of):
    (run,) = runs_of(*TINY, "order_seed=soon")
    with pytest.raises(UserError, match="order_seed takes a whole number of at least 0 or null, not 'soon'"):
        registry.build(run, "task")
