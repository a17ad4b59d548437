"""The arithmetic of the peak, by a clock of our own and by what torch is seen to do."""

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench.machine import peak
from bench.schema import UserError

ROUND_S = 0.25  # longer than the time for rounds, so that there are two


class Copies(TorchDispatchMode):
    """Counts the copies of tensors, and the bytes that each reads and writes."""

    def __init__(self):
        super().__init__()
        self.moved = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        if function is torch.ops.aten.copy_.default:
            target, source = arguments[:2]
            self.moved.append(target.nbytes + source.nbytes)
        return function(*arguments, **(keywords or {}))


@pytest.fixture
def clock(monkeypatch):
    """Small sizes, and a clock that reads these times, or one round later at each look."""

    def set_to(times=None):
        readings = iter(times) if times else itertools.count(0.0, ROUND_S)
        monkeypatch.setattr(peak, "_now", lambda device: next(readings))

    monkeypatch.setattr(peak, "SIDES", [16, 32, 64])
    monkeypatch.setattr(peak, "COPIED", {"cpu": 4096})
    set_to()
    return set_to


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_operations_of_a_product_are_those_that_torch_does(clock, precision):
    with FlopCounterMode(display=False) as counter:
        speed = peak.matmul(precision, "cpu", 1)
    rounds = 2
    assert speed == counter.get_total_flops() / rounds / ROUND_S


def test_the_bytes_of_a_copy_are_those_read_and_those_written(clock):
    with Copies() as copies:
        speed = peak.copy("cpu", 1)
    assert copies.moved == [2 * 4096] * 2
    assert speed == copies.moved[0] / ROUND_S


def test_the_fastest_round_counts(clock):
    rounds = [(0.0, 3.0), (3.0, 5.0), (5.0, 6.0), (6.0, 9.0)]
    looks = [(), (0.1,), (0.1,), (9.0,)]  # behind each round, whether there is time for another
    clock([0.0, *(time for parts in zip(rounds, looks, strict=True) for part in parts for time in part)])
    assert peak.copy("cpu", 1) == 2 * 4096 / 1.0


def test_wider_matrices_are_tried_until_one_takes_long(clock, monkeypatch):
    tried = []

    def seconds(work, device):
        tried.append(work.args[0].shape[0])
        return {16: 1e-6, 32: 2 * peak.LONG_S, 64: 1.0}[tried[-1]]

    monkeypatch.setattr(peak, "_quickest", seconds)
    assert peak.matmul("fp32", "cpu", 1) == 2 * 16**3 / 1e-6  # the fastest, not the last
    assert tried == [16, 32]


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_product_is_of_the_numbers_that_were_asked_for(precision, dtype):
    assert peak._product(16, precision, "cpu")().dtype is dtype


def test_torch_has_the_threads_that_are_asked_for_while_it_measures_and_its_own_again(clock, monkeypatch):
    before, seen = torch.get_num_threads(), []

    def fail(device):
        seen.append(torch.get_num_threads())
        raise RuntimeError("out of memory")

    monkeypatch.setattr(peak, "_now", fail)
    for measure in (lambda: peak.matmul("fp32", "cpu", before + 1), lambda: peak.copy("cpu", before + 1)):
        with pytest.raises(RuntimeError):
            measure()
        assert torch.get_num_threads() == before
    assert seen == [before + 1] * 2


def test_another_precision_is_a_mistake_that_names_those_there_are():
    with pytest.raises(UserError, match=r"no precision is named 'fp16'.*fp32"):
        peak.matmul("fp16", "cpu", 1)
