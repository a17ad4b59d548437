"""Autocast for a pack: a run of it computes in the precision in which it would compute alone.

In: a device. Out: a context for a model under vmap. Touches: nothing.

vmap takes some operations apart before autocast sees them. On a CPU a convolution would then compute in float32 and a
linear map would add its bias in float32; norms and PReLU raise where their input and their weights differ in precision.
"""

from collections.abc import Mapping, Sequence
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
NORMS = {F.batch_norm, torch.batch_norm, F.instance_norm, torch.instance_norm} | WIDE_ON_GPU


class StackedAutocast(TorchFunctionMode):
    """Within it and autocast, an operation on several runs has the precision that it has on one."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
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


def in_precision(value: Any, precision: torch.dtype) -> Any:
    """A tensor of floating point numbers in this precision; anything else, and float64, as it is."""
    if isinstance(value, Tensor) and value.is_floating_point() and value.dtype != torch.float64:
        return value.to(precision)
    return value
