"""The precision of a run: float32, or bfloat16 in the operations for which torch's autocast allows it.

Weights, their updates and statistics are float32 either way. The precision is one of a run's choices, so `auto` is
decided when the runs are planned: a study has one precision, whatever machine continues it.

In: a name, a device. Out: a name, a context. Touches: /proc, which it reads for the processor's features; torch's flags
for GPUs.
"""

import torch

from bench.machine import environment
from bench.registry import unknown
from bench.schema import AUTO, UserError

FP32, BF16 = "fp32", "bf16"
FLAGS = ("avx512_bf16", "amx_bf16")  # of processors that multiply bfloat16 faster than float32


def resolved(name: str, device: str) -> str:
    """fp32 or bf16: `auto` takes bf16 where the device has units for it.

    Raises UserError for another name.
    """
    if name not in (FP32, BF16, AUTO):
        raise UserError(unknown("precision", name, (FP32, BF16, AUTO)))
    if name != AUTO:
        return name
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    has_units = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if on_gpu
        else bool({*FLAGS} & environment.processor_flags())
    )
    return BF16 if has_units else FP32


def autocast(name: str, device: str) -> torch.autocast:
    """The context in which a forward pass has this precision."""
    return torch.autocast(device, torch.bfloat16, enabled=name == BF16)


def make_exact() -> None:
    """On GPUs, compute float32 as such from now on, and take algorithms that give the same bits each time.

    By default torch rounds the inputs of float32 convolutions to TF32, which has 10 bits, but not those of products.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def of_gpu() -> dict[str, object]:
    """What decides how numbers are rounded on the GPU in use: its name, cuDNN's version, and these flags."""
    return {
        "device_name": torch.cuda.get_device_name(),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.backends.cudnn.deterministic,
    }
