from dataclasses import replace

import pytest
import torch

from bench.machine.machine import machine_of
from bench.schema import Checkpointing, Interval, Machine, UserError


@pytest.mark.parametrize(("has_gpu", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_device_that_is_here_and_the_rest_comes_from_the_settings(settings, monkeypatch, has_gpu, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    machine = machine_of(replace(settings, device="auto", threads=3, compile=True))
    where = Checkpointing(settings.results, Interval())
    assert machine == Machine(device, 3, settings.data, settings.download, where, compiled=True)
    assert machine_of(replace(settings, device="cpu")).device == "cpu"


@pytest.mark.parametrize(
    ("has_gpu", "device", "there"), [(True, "tpu", "cpu, cuda"), (False, "tpu", "cpu"), (False, "cuda", "cpu")]
)
def test_a_device_that_is_not_here_is_refused_with_those_that_are(settings, monkeypatch, has_gpu, device, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    with pytest.raises(UserError, match=f"device={device} is not here; there is {there}, or auto"):
        machine_of(replace(settings, device=device))
