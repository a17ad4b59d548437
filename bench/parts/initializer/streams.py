"""Standard random numbers for weights: the only place where an initializer draws.

In: a contiguous tensor and a generator, both on the CPU. Out: the tensor, filled in place. Touches: the tensors it is
handed, and a few threads of its own.

A tensor of at most CHUNK numbers is drawn by the generator it comes with. A larger one is cut into chunks of CHUNK
numbers, each drawn by a generator of its own, whose seed is made of one draw of the caller's and the chunk's number:
which thread draws a chunk, and how many threads there are, changes no number.
"""

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Generator, Tensor

CHUNK = 2**16  # numbers: 0.2 ms of drawing, against 5 us to seed and hand it over; part of what a seed means
WORD = 2**32 - 1  # torch's CPU generator takes 32 bits of its seed

BOUND = 2.0  # of the truncated normal law, in sigmas
INSIDE = math.erf(BOUND / math.sqrt(2))  # the share of a normal law within the bound


def normal(values: Tensor, generator: Generator, sigma: float = 1.0) -> None:
    """N(0, sigma²); a scale that is known while drawing saves a pass over the values."""
    _fill(values, generator, lambda chunk, stream: chunk.normal_(0, sigma, generator=stream))


def uniform(values: Tensor, generator: Generator, low: float = 0.0, high: float = 1.0) -> None:
    """U[low, high)."""
    _fill(values, generator, lambda chunk, stream: chunk.uniform_(low, high, generator=stream))


def truncated_normal(values: Tensor, generator: Generator, sigma: float = 1.0) -> None:
    """N(0, sigma²) given |x| <= 2 sigma, by rejection: what falls outside is drawn again, and nothing else."""
    _fill(values, generator, lambda chunk, stream: _truncated_normal(chunk, stream, sigma))


def _truncated_normal(chunk: Tensor, stream: Generator, sigma: float) -> None:
    numbers = chunk.normal_(generator=stream).detach().view(-1).numpy()  # torch would wait for threads of its own
    outside = np.flatnonzero(np.abs(numbers) > BOUND)
    while len(outside):
        again = chunk.new_empty(len(outside) * 9 // 8 + 8).normal_(generator=stream).numpy()  # 1 in 22 is outside too
        inside = again[np.abs(again) <= BOUND][: len(outside)]
        numbers[outside[: len(inside)]] = inside
        outside = outside[len(inside) :]
    if sigma != 1:
        numbers *= sigma


def _fill(values: Tensor, generator: Generator, draw: Callable[[Tensor, Generator], object]) -> None:
    """Draw the values, those of a large tensor by as many threads as torch may use."""
    if values.numel() <= CHUNK:
        draw(values, generator)
        return
    first = int(torch.randint(WORD + 1, (), generator=generator, device="cpu"))
    chunks = torch.split(values.detach().view(-1), CHUNK)
    waiting = iter([*enumerate(chunks)])  # shared: each thread takes the next chunk, until none is left

    @torch.inference_mode(values.is_inference())  # a thread of the pool does not know what mode its caller is in
    def work() -> None:
        for index, chunk in waiting:
            draw(chunk, Generator().manual_seed(_seed(first, index)))

    helpers = min(torch.get_num_threads(), len(chunks)) - 1
    jobs = [_pool(helpers, os.getpid()).submit(work) for _ in range(helpers)]
    work()
    for job in jobs:
        job.result()


def _seed(first: int, index: int) -> int:
    """A seed that looks like no other and is no other chunk's: a bijection of 32 bits (MurmurHash3's finalizer)."""
    word = (first + index) & WORD
    word = (word ^ word >> 16) * 0x85EBCA6B & WORD
    word = (word ^ word >> 13) * 0xC2B2AE35 & WORD
    return word ^ word >> 16


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that wait for work; a forked process starts its own, as those of its parent are not in it."""
    return ThreadPoolExecutor(threads, thread_name_prefix="streams")
