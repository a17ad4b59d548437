"""Random numbers for weights: initializers draw them here and nowhere else.

In: contiguous tensors and a generator, all on the CPU. Out: the tensors, filled in place. Touches: the tensors it is
handed, and threads of its own.

Fewer than 2 CHUNK numbers are drawn by the given generator. More numbers, of one tensor or of several in sequence, are
cut into chunks of at most CHUNK numbers, each drawn by a generator of its own, whose seed is made of one draw of the
given generator and the chunk's number: the numbers depend neither on which thread draws a chunk nor on how many threads
there are.
"""

import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Generator, Tensor

Draw = Callable[[Tensor, Generator], object]  # fills any part of a tensor, whose numbers are independent
Chunk = list[tuple[Tensor, Draw]]

CHUNK = 2**16  # numbers: 0.2 ms of drawing, against 0.05 ms until a thread is awake; part of what a seed means
WORD = 2**32 - 1  # torch's CPU generator takes 32 bits of its seed

BOUND = 2.0  # of the truncated normal law, in sigmas
INSIDE = math.erf(BOUND / math.sqrt(2))  # the share of a normal law within the bound


def normal(values: Tensor, generator: Generator, sigma: float = 1.0) -> None:
    """N(0, sigma²)."""
    fill(values, generator, normal_draw(sigma))


def uniform(values: Tensor, generator: Generator, low: float = 0.0, high: float = 1.0) -> None:
    """U[low, high)."""
    fill(values, generator, uniform_draw(low, high))


def truncated_normal(values: Tensor, generator: Generator, sigma: float = 1.0) -> None:
    """N(0, sigma²) given |x| <= 2 sigma."""
    fill(values, generator, truncated_normal_draw(sigma))


def normal_draw(sigma: float) -> Draw:
    """Draws N(0, sigma²); scaling while drawing saves a pass over the values."""
    return lambda values, stream: values.normal_(0, sigma, generator=stream)


def uniform_draw(low: float, high: float) -> Draw:
    """Draws U[low, high)."""
    return lambda values, stream: values.uniform_(low, high, generator=stream)


def truncated_normal_draw(sigma: float) -> Draw:
    """Draws N(0, sigma²) given |x| <= 2 sigma, by rejection: only the values outside are drawn again."""
    return lambda values, stream: _truncated_normal(values, stream, sigma)


def _truncated_normal(chunk: Tensor, stream: Generator, sigma: float) -> None:
    numbers = chunk.normal_(generator=stream).detach().view(-1).numpy()  # torch would wait for its own threads
    outside = np.flatnonzero(np.abs(numbers) > BOUND)
    while len(outside):
        again = chunk.new_empty(len(outside) * 9 // 8 + 8).normal_(generator=stream).numpy()  # 1 in 22 is outside too
        inside = again[np.abs(again) <= BOUND][: len(outside)]
        numbers[outside[: len(inside)]] = inside
        outside = outside[len(inside) :]
    if sigma != 1:
        numbers *= sigma


def fill(values: Tensor, generator: Generator, draw: Draw) -> None:
    """Fill one tensor by its draw; a large one is filled by as many threads as torch may use."""
    if values.numel() < 2 * CHUNK:
        draw(values, generator)
    else:
        together([(values, draw)], generator)


def together(draws: Iterable[tuple[Tensor, Draw]], generator: Generator) -> None:
    """Fill all tensors by their draws as one sequence of numbers, by as many threads as torch may use."""
    draws = list(draws)
    numbers = sum(values.numel() for values, _ in draws)
    if numbers < 2 * CHUNK:
        _draw(draws, generator)
        return
    first = int(torch.randint(WORD + 1, (), generator=generator, device="cpu"))
    waiting = iter([*enumerate(_chunks(draws))])  # shared: each thread takes the next chunk, until none is left

    def work() -> None:
        stream = Generator()
        for index, chunk in waiting:
            _draw(chunk, stream.manual_seed(_seed(first, index)))

    helpers = min(torch.get_num_threads(), numbers // CHUNK) - 1
    helping = torch.inference_mode(torch.is_inference_mode_enabled())(work) if helpers else work
    jobs = [_pool(helpers, os.getpid()).submit(helping) for _ in range(helpers)]
    work()
    for job in jobs:
        if not job.cancel():  # a job that has not started has nothing left to do
            job.result()


def _chunks(draws: Iterable[tuple[Tensor, Draw]]) -> Iterator[Chunk]:
    """Tensors in sequence, up to CHUNK numbers together; a larger tensor in parts of CHUNK numbers."""
    chunk: Chunk = []
    size = 0
    for values, draw in draws:
        for part in (values,) if values.numel() <= CHUNK else torch.split(values.detach().view(-1), CHUNK):
            if chunk and size + part.numel() > CHUNK:
                yield chunk
                chunk, size = [], 0
            chunk.append((part, draw))
            size += part.numel()
    if chunk:
        yield chunk


def _draw(chunk: Chunk, stream: Generator) -> None:
    for values, draw in chunk:
        draw(values, stream)


def _seed(first: int, index: int) -> int:
    """A scrambled seed that is different for each chunk: a bijection of 32 bits (MurmurHash3's finalizer)."""
    word = (first + index) & WORD
    word = (word ^ word >> 16) * 0x85EBCA6B & WORD
    word = (word ^ word >> 13) * 0xC2B2AE35 & WORD
    return word ^ word >> 16


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that wait for work; a forked process starts its own, since its parent's threads do not exist in it."""
    return ThreadPoolExecutor(threads, thread_name_prefix="streams")
