"""Theory beside measures: what wide nets do lies where theory expects it."""

import math

import pandas as pd
import pytest
import torch
from torch import nn

from bench import diagnose, initialize


class Block(nn.Module):
    def __init__(self, width, norm=False):
        super().__init__()
        self.first, self.last = (nn.Linear(width, width) for _ in range(2))
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x + self.norm(self.last(self.act(self.first(x)))))


def plain(activation, width=256, depth=5):
    return nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(width, width), activation())))


def images():
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 128, 3, stride=2, padding=1, groups=2), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(128, 64, 3), nn.Tanh(), nn.Flatten(), nn.Linear(256, 10)),
    )


def frame(net, *shape, seed=0):
    initialize(net, "he_normal", seed=seed)
    batch = torch.randn(16, *shape, generator=torch.Generator().manual_seed(1))
    return diagnose(net, batch).layers


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (plain(nn.ReLU), (256,)),
        (plain(nn.SiLU), (256,)),
        (plain(nn.Tanh), (256,)),
        (nn.Sequential(*(Block(256) for _ in range(3))), (256,)),
        (nn.Sequential(*(Block(256, norm=True) for _ in range(3))), (256,)),
        (images(), (3, 16, 16)),
    ],
)
def test_the_second_moments_of_most_nets_lie_within_the_band(net, shape):
    found = pd.concat(frame(net, *shape, seed=seed) for seed in range(4))
    known = found[found["expected_second_moment"].notna()]
    assert {*known["kind"]} >= {"layer", "activation"}
    low, high = known["expected_second_moment_low"], known["expected_second_moment_high"]
    assert (
        known["second_moment"].between(low * 0.99, high * 1.01).mean() > 0.6
    )  # of few nets, each off by the same along its depth
    means = known.groupby(level=0)[["second_moment", "expected_second_moment"]].mean()
    ratios = means["second_moment"] / means["expected_second_moment"]
    assert ratios.between(0.7, 1.45).all()  # two deviations of a mean over four nets, 0.3 each after five layers


def test_the_gradients_and_the_cosines_of_a_residual_net_are_those_of_theory():
    found = frame(nn.Sequential(*(Block(512) for _ in range(3))), 512)
    assert (found["gradient"] / found["expected_gradient"]).between(0.8, 1.25).all()
    assert (found["correlation"] - found["expected_correlation"]).abs().max() < 0.05


def test_padding_takes_connections_away():
    net = nn.Sequential(nn.Conv2d(8, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 4, 1))
    conv = frame(net, 8, 6, 6).iloc[0]
    std = math.sqrt(2 / 72)
    expected = 8 * (3 - 2 / 6) ** 2 * std**2  # a border of one lacks a third of the kernel, in each direction
    assert conv["expected_second_moment"] == pytest.approx(expected, rel=0.1)


def test_theory_begins_again_behind_what_it_does_not_know():
    class Gate(nn.Module):
        def forward(self, x):
            return x * x.mean(1, keepdim=True)

    found = frame(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), Gate(), nn.Linear(64, 64), nn.ReLU()), 64)
    gate = found[found["name"].str.startswith("2")].iloc[-1]
    assert gate["expected_second_moment"] == pytest.approx(gate["second_moment"])
    assert (found["second_moment"] / found["expected_second_moment"]).dropna().between(0.5, 2).all()


def test_where_a_sum_parts_at_the_input_theory_still_follows_it():
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(128, 128)

        def forward(self, x):
            return x + self.inner(x)

    layer, join, _ = frame(nn.Sequential(First(), nn.Linear(128, 5)), 128).itertuples()
    assert layer.expected_second_moment == pytest.approx(2.0, rel=0.15)
    assert join.expected_second_moment == pytest.approx(3.0, rel=0.15)  # 1 of the input and 2 of He's layer
