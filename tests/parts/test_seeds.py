import torch

from bench.parts.seeds import generator


def draws(seed, purpose):
    return torch.rand(100, generator=generator(seed, purpose))


def test_a_seed_and_a_purpose_give_the_same_draws_always():
    assert torch.equal(draws(3, "init"), draws(3, "init"))


def test_purposes_and_seeds_have_streams_of_their_own():
    streams = [draws(seed, purpose) for seed in (0, 1) for purpose in ("init", "order", "augment")]
    assert all(not torch.equal(one, other) for i, one in enumerate(streams) for other in streams[:i])
