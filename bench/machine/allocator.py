"""A process that trains: its threads, and the memory that it holds on to.

In: how many threads, and runs in a pack. Out: nothing. Touches: this process.
"""

import ctypes
import gc
from collections.abc import Callable

import torch

# options of glibc's mallopt, by their numbers in malloc.h, and what they are set to
OPTIONS = {
    -3: 32 * 2**20,  # M_MMAP_THRESHOLD: larger blocks are mappings of their own; glibc goes no higher by itself
    -1: -1,  # M_TRIM_THRESHOLD: what was freed at the end of the heap stays
}


def settle(threads: int, packing: int) -> None:
    """Train with so many threads from now on, in packs of so many runs; alone, a run keeps what it frees.

    Glibc gives the system back what lies free at the end of its heap, and the next step asks for the same again:
    hundreds to thousands of pages, which the system fills with zeros first: a tenth of a step. For packs nothing is
    changed: where memory is limited, a smaller one has to fit after one that did not, and a heap that keeps more has
    more holes. A C library without such options is left as it is.
    """
    torch.set_num_threads(threads)
    if packing == 1:
        for option, value in OPTIONS.items():
            of_libc("mallopt")(option, value)


def give_back() -> None:
    """Give the system, and the GPU, the memory that nothing uses any more."""
    gc.collect()
    of_libc("malloc_trim")(0)
    torch.cuda.empty_cache()


def of_libc(name: str) -> Callable[..., object]:
    """A function of glibc; elsewhere, one that does nothing."""
    return getattr(ctypes.CDLL(None), name, lambda *_: None)
