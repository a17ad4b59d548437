"""Schedules against torch's own, step by step."""

import itertools

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from bench.parts import schedule

STEPS = 40
OURS = {
    "constant": schedule.constant,
    "step": lambda progress: schedule.step(progress, drops=[0.5, 0.75], factor=0.1),
    "cosine": schedule.cosine,
}
THEIRS = {
    "constant": lambda optimizer: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    "step": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [STEPS // 2, STEPS * 3 // 4]),
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS),
}


@pytest.mark.parametrize("name", OURS)
def test_a_schedule_is_that_of_torch(name):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    theirs = THEIRS[name](optimizer)
    for step in range(STEPS):
        assert OURS[name](step / STEPS) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_one_cycle_rises_to_one_and_falls_to_its_end_without_a_jump():
    rates = [schedule.one_cycle(step / 1000, rise=0.3, start=0.04, end=0.001) for step in range(1001)]
    assert rates[0] == pytest.approx(0.04)
    assert rates[300] == pytest.approx(1)
    assert rates[-1] == pytest.approx(0.001)
    assert rates[:301] == sorted(rates[:301])
    assert rates[300:] == sorted(rates[300:], reverse=True)
    assert max(abs(later - rate) for rate, later in itertools.pairwise(rates)) < 0.01
    assert schedule.one_cycle(0.15, rise=0.3, start=0.04, end=0.001) == pytest.approx(0.52)  # halfway up


def test_a_step_drops_at_each_of_its_shares():
    rates = [schedule.step(progress, drops=[0.5, 0.75], factor=0.1) for progress in (0.0, 0.49, 0.5, 0.75)]
    assert rates == pytest.approx([1, 1, 0.1, 0.01])
