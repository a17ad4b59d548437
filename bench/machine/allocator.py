"""The threads of a process that trains, its arithmetic on GPUs, and the memory that its allocators keep.

In: a number of threads, a number of runs in a pack. Out: nothing. Touches: this process.
"""

import ctypes
import gc
from collections.abc import Callable

import torch

from bench.machine.precision import make_exact

# options of glibc's mallopt, by their numbers in malloc.h, and their values
OPTIONS = {
    -3: 32 * 2**20,  # M_MMAP_THRESHOLD: larger blocks are mappings of their own; glibc goes no higher by itself
    -1: -1,  # M_TRIM_THRESHOLD: memory freed at the end of the heap is kept
}


def configure(threads: int, packing: int) -> None:
    """Train with `threads` threads from now on, in packs of `packing` runs; for a run alone, keep freed memory.

    By default glibc returns free memory at the end of its heap to the system, and the next step asks for it again:
    hundreds to thousands of pages, which the system first fills with zeros, a tenth of a step. Packs keep the default:
    where memory is limited, a smaller pack has to fit after one that did not, and a heap that keeps more is more
    fragmented. A C library without these options is left as it is.
    """
    torch.set_num_threads(threads)
    make_exact()
    if packing == 1:
        for option, value in OPTIONS.items():
            libc("mallopt")(option, value)


def release_memory() -> None:
    """Return unused memory to the system and to the GPU."""
    gc.collect()
    libc("malloc_trim")(0)
    torch.cuda.empty_cache()


def libc(name: str) -> Callable[..., object]:
    """A function of glibc; with another C library, a function that does nothing."""
    return getattr(ctypes.CDLL(None), name, lambda *_: None)
