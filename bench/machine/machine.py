"""The machine that a run happens on, from the settings of a command.

In: settings. Out: a Machine. Touches: nothing; torch is queried for its devices.
"""

import torch

from bench.machine.settings import Settings
from bench.schema import AUTO, Checkpointing, Machine, UserError


def machine_of(settings: Settings) -> Machine:
    """The machine that the settings describe, with device=auto decided. Raises UserError for an absent device."""
    has_gpu = torch.cuda.is_available()
    device = ("cuda" if has_gpu else "cpu") if settings.device == AUTO else settings.device
    if device not in ("cpu", "cuda") or (device == "cuda" and not has_gpu):
        raise UserError(f"device={device} is not here; there is {'cpu, cuda' if has_gpu else 'cpu'}, or auto")
    return Machine(
        device,
        settings.threads,
        settings.data,
        settings.download,
        Checkpointing(settings.results, settings.checkpoint.interval),
        compiled=settings.compile,
    )
