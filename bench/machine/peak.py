"""The peak speed of a device: operations per second in a matrix product, bytes per second in a copy.

In: a precision, a device, a number of threads. Out: speeds, each measured in about a second. Touches: the device.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from bench.machine.precision import BF16, FP32
from bench.registry import unknown
from bench.schema import UserError

NUMBERS = {FP32: torch.float32, BF16: torch.bfloat16}
SIDES = [2**power for power in range(9, 14)]  # of a matrix: 512 to 8192
LONG_S = 0.05  # no wider matrix is tried once a product takes this long: it would be no faster
COPIED = {"cpu": 2**28, "cuda": 2**30}  # bytes, many times the size of the caches
SECONDS = 0.2  # spent on repeated rounds; the fastest counts


def matmul(precision: str, device: str, threads: int) -> float:
    """Floating-point operations per second of a square matrix product in fp32 or bf16, at the fastest size.

    A product of width n counts 2 n³ operations. Raises UserError for another precision, and torch's error where the
    device cannot compute it.
    """
    if precision not in NUMBERS:
        raise UserError(unknown("precision", precision, NUMBERS))
    fastest = 0.0
    with _threads(threads):
        for side in SIDES:
            seconds = _quickest(_product(side, precision, device), device)
            fastest = max(fastest, 2 * side**3 / seconds)
            if seconds > LONG_S:
                break
    return fastest


def copy(device: str, threads: int) -> float:
    """Bytes read plus bytes written per second when a tensor too large for the caches is copied."""
    with _threads(threads):
        count = COPIED[device] // torch.float32.itemsize  # torch copies a tensor of bytes slower
        source = torch.ones(count, device=device)
        return 2 * source.nbytes / _quickest(partial(torch.empty_like(source).copy_, source), device)


def _product(side: int, precision: str, device: str) -> Callable[[], object]:
    drawn = torch.Generator(device).manual_seed(0)
    left, right = torch.randn(2, side, side, dtype=NUMBERS[precision], device=device, generator=drawn)
    return partial(torch.mm, left, right, out=torch.empty_like(left))


def _quickest(work: Callable[[], object], device: str) -> float:
    """Seconds of the fastest round, out of at least two since the first also warms up."""
    rounds: list[float] = []
    end = _now(device) + SECONDS
    while len(rounds) < 2 or _now(device) < end:
        started = _now(device)
        work()
        rounds.append(_now(device) - started)
    return min(rounds)


def _now(device: str) -> float:
    """The time once the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads within this context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
