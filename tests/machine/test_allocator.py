import ctypes
import resource
from pathlib import Path

import pytest
import torch

from bench.machine import allocator

SIZE = 2**22  # numbers of four bytes
glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library")


@glibc
def test_what_was_freed_is_there_for_the_next_tensor():
    allocator.configure(torch.get_num_threads(), packing=1)

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(SIZE)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    # each of them would be mapped and filled with zeros anew; at first a hole may be too small by a few bytes
    assert sum(faults() for _ in range(20)) < 20 * 4 * SIZE / resource.getpagesize() / 2


@glibc
def test_what_nothing_uses_is_released():
    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    allocator.configure(torch.get_num_threads(), packing=1)
    tensors = [torch.ones(SIZE) for _ in range(16)]
    del tensors
    before = held()
    allocator.release_memory()
    assert held() < before - 32 * SIZE


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    allocator.configure(torch.get_num_threads(), packing=1)
    allocator.release_memory()


def test_packs_keep_nothing(monkeypatch):
    called = []
    monkeypatch.setattr(allocator, "libc", called.append)
    allocator.configure(torch.get_num_threads(), packing=2)
    assert called == []


def test_a_process_trains_with_the_threads_it_was_given():
    before = torch.get_num_threads()
    try:
        allocator.configure(1, packing=1)
        assert torch.get_num_threads() == 1
    finally:
        allocator.configure(before, packing=1)
