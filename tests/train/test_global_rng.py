import random

import numpy as np
import torch

from bench.train import checkpoint, global_rng


def draws():
    """Two numbers of each global generator."""
    numpy = [np.random.normal(), np.random.rand()]  # noqa: NPY002
    return [random.gauss(), random.random(), *numpy, *torch.rand(2).tolist()]


def test_one_seed_sets_every_global_generator():
    global_rng.seed(2**63 - 1)
    first = draws()
    global_rng.seed(2**63 - 1)
    assert draws() == first
    global_rng.seed(1)
    assert not set(draws()) & set(first)


def test_states_survive_a_checkpoint_and_go_on_where_they_were():
    draws()
    random.gauss()  # python and numpy keep the second of a pair of normal draws for the next call
    np.random.normal()  # noqa: NPY002
    content = checkpoint.saved(global_rng.states())
    first = draws()
    global_rng.seed(3)
    global_rng.restore(checkpoint.loaded(content))
    assert draws() == first
