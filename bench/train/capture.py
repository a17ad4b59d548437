"""A step as a graph: taken a few times, then captured on a GPU, and replayed from then on with one launch.

In: a step, which reads and writes the same tensors each time. Out: the step. Touches: the device.
"""

import functools
import sys
from collections.abc import Callable
from typing import Protocol

import torch

WARM_UP = 3  # steps before the capture, as torch asks for; they are steps of the training like any other

Step = Callable[[], None]


class Gpu(Protocol):
    """What captures steps."""

    def warm_up(self, step: Step) -> None:
        """Take the step as it is, where it will be captured."""

    def capture(self, step: Step) -> Step:
        """Record the step without taking it; what takes it."""


class Captured:
    """A step that is captured after the first ones. Where that fails it is launched as before, with a remark."""

    def __init__(self, step: Step, gpu: Gpu | None = None) -> None:
        self.step, self.gpu = step, gpu or Cuda()
        self.taken, self.replay = 0, step
        self.graphed = False

    def __call__(self) -> None:
        """Take one step."""
        if self.taken < WARM_UP:
            self.gpu.warm_up(self.step)
        else:
            if self.taken == WARM_UP:
                self._capture()
            self.replay()
        self.taken += 1

    def _capture(self) -> None:
        try:
            self.replay = self.gpu.capture(self.step)
            self.graphed = True
        except RuntimeError as raised:  # missing memory among others: the graph holds its own
            reason = str(raised).strip().partition("\n")[0]
            print(f"graph: the step cannot be captured, and is launched as it is ({reason})", file=sys.stderr)


class Cuda:
    """Captures on the GPU in use, by the stream on which the first steps are taken."""

    def warm_up(self, step: Step) -> None:
        """Take the step beside the stream in use, each after what the other has to do."""
        beside, here = side_stream(torch.cuda.current_device()), torch.cuda.current_stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            step()
        here.wait_stream(beside)

    def capture(self, step: Step) -> Step:
        """Record what the step launches."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side_stream(torch.cuda.current_device())):
            step()
        return graph.replay


@functools.cache
def side_stream(device: int) -> torch.cuda.Stream:
    """One stream for all captures of a process: memory belongs to the stream on which it was taken."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
