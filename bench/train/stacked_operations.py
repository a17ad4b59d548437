"""Operations of a pack: each moves as many bytes per run, and computes in the same precision, as that of a run alone.

In: a device. Out: a context for a model under vmap. Touches: nothing.

vmap takes some operations apart. Batch norm would be computed without its scale and shift, which would be passes of
their own over all images; pooling would first copy them. Here these take the channels of all runs as the channels of
one, which is how vmap computes convolutions. And vmap takes operations apart before autocast sees them: on a CPU a
convolution would then compute in float32 and a linear map would add its bias in float32; norms and PReLU raise where
their input and their weights differ in precision.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# computed in the lower precision; this and `WIDE_ON_GPU` follow autocast's own lists
LOWERED = {
    *(torch.conv1d, torch.conv2d, torch.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    *(F.linear, torch.prelu, F.scaled_dot_product_attention),
}
# computed in float32, in which their weights are; the result is rounded to the precision of the input
WIDE_ON_GPU = {F.group_norm, torch.group_norm, F.layer_norm, torch.layer_norm}  # not rounded on a GPU
NORMS = {F.instance_norm, torch.instance_norm} | WIDE_ON_GPU
POOLS = {F.avg_pool2d, F.adaptive_avg_pool2d, F.max_pool2d, torch.max_pool2d}  # of images (N, C, H, W)


class StackedOperations(TorchFunctionMode):
    """Within it, an operation on several runs is computed as on one."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm:
            return batch_norm(*args, **kwargs)
        if function in POOLS and args and args[0].ndim == 4 and not kwargs.get("return_indices"):
            images, *sizes = args
            return PerChannel.apply(lambda one: function(one, *sizes, **kwargs), images)
        if torch.is_autocast_enabled(self.device):
            if function in LOWERED:
                lower = torch.get_autocast_dtype(self.device)
                args = [in_precision(one, lower) for one in args]
                kwargs = {name: in_precision(one, lower) for name, one in kwargs.items()}
            elif function in NORMS and args:
                images, *others = args
                found = function(in_precision(images, torch.float32), *others, **kwargs)
                return found if self.device == "cuda" and function in WIDE_ON_GPU else found.to(images.dtype)
        return function(*args, **kwargs)


class PerChannel(torch.autograd.Function):
    """What is computed of each channel apart, for all runs at once: their channels are taken as those of one run.

    Called with the computation, its images (N, C, ...), and tensors (C,). Under vmap only its rule runs, on tensors
    whose gradients torch knows.
    """

    @staticmethod
    def forward(compute: Callable[..., Tensor], images: Tensor, *of_channels: Tensor | None) -> Tensor:
        """Compute images that are the same in all runs."""
        return compute(images, *of_channels)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: what is the same in all runs depends on no parameter."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, compute: Callable[..., Tensor], images: Tensor, *others: Tensor | None) -> Any:
        """Compute (N, R C, ...) and (R C,) in the place of R times (N, C, ...) and (C,); none is copied."""
        runs, (_, place, *places) = info.batch_size, in_dims
        images = _with_runs(images, place, runs, 1)
        of_channels = [
            one if one is None else _with_runs(one, at, runs, 0) for one, at in zip(others, places, strict=True)
        ]
        flat = [one if one is None else one.flatten(0, 1) for one in of_channels]
        return compute(images.flatten(1, 2), *flat).unflatten(1, (runs, -1)), 1  # type: ignore[no-untyped-call]


def _with_runs(tensor: Tensor, place: int | None, runs: int, wanted: int) -> Tensor:
    """The tensor with its dimension of runs moved to the place wanted; made where it has none."""
    if place is not None:
        return tensor.movedim(place, wanted)
    shape = [*tensor.shape]
    return tensor.unsqueeze(wanted).expand(*shape[:wanted], runs, *shape[wanted:])


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As F.batch_norm, whose words these are, per channel of each run."""

    compute = partial(F.batch_norm, training=training, momentum=momentum, eps=eps)
    normalized: Tensor = PerChannel.apply(compute, input, running_mean, running_var, weight, bias)
    return normalized


def in_precision(value: Any, precision: torch.dtype) -> Any:
    """A tensor of floating point numbers in this precision; anything else, and float64, as it is."""
    if isinstance(value, Tensor) and value.is_floating_point() and value.dtype != torch.float64:
        return value.to(precision)
    return value
