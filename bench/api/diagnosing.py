"""Diagnoses any torch module at its initialization.

In: a module, a batch. Out: a Diagnosis. Touches: nothing.
"""

from torch import Tensor, nn

from bench.bounds import Positive, checked
from bench.schema import UserError
from bench.signal.diagnosis import Diagnosis, diagnosed

Batch = Tensor | tuple[Tensor, Tensor]


def diagnose(model: nn.Module, batch: Batch, *, learning_rate: float = 0.1, seed: int = 0) -> Diagnosis:
    """Measure a model as it is, on one batch, and say what keeps it from learning, where, and which line repairs it.

    batch: inputs (n, ...), or (inputs, labels (n,)), normalized as for training; 16 examples or more. Labels that are
        not given are drawn from `seed`.
    learning_rate: the one that training will begin with.

    print() shows the diagnosis; `.problems` is a list, empty for a healthy model; `.layers` is a frame; `.plot()` draws
    it; `.fixed` is the diagnosis of a copy after the line of code that repairs it. Nothing is trained: the model is
    copied, and its weights, statistics, hooks and all generators are as before.
    Raises UserError for a model or a batch that cannot be measured.
    """
    if not isinstance(model, nn.Module):
        raise UserError(f"diagnose takes a torch.nn.Module, not {type(model).__name__}")
    inputs, *rest = batch if isinstance(batch, tuple | list) and batch else (batch,)
    labels = rest[0] if rest else None
    if not isinstance(inputs, Tensor) or inputs.dim() < 1 or len(inputs) == 0:
        raise UserError("a batch is a tensor of inputs (n, ...), or (inputs, labels)")
    if len(rest) > 1 or (rest and not _are_labels(labels)):
        raise UserError(
            "a batch is (inputs, labels), with labels (n,) in integers; for a model of several inputs hand over a "
            "module that calls it with one tensor"
        )
    rate = checked("learning_rate", learning_rate, Positive)
    return diagnosed(type(model).__name__, [model], inputs, labels, rate, seed)


def _are_labels(labels: object) -> bool:
    return isinstance(labels, Tensor) and labels.dim() == 1 and not (labels.is_floating_point() or labels.is_complex())
