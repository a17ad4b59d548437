"""Which modules are norms, by one rule for all initializers, where the parameters of a norm start, and which layers
standardize their weights.

In: a module. Out: yes or no, or the module at its start. Touches: the module it is handed; a copy of it is called.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from bench.parts.initializer.fans import Layer
from bench.parts.normalization import ScaleAndShift
from bench.schema import UserError

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm, ScaleAndShift)
SCALED = (nn.LocalResponseNorm, ScaleAndShift)  # those whose output depends on the scale of their input
HOMES = ("torch.nn.", "bench.parts.")  # of the classes that start as STARTS says
STARTS = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "num_batches_tracked": 0}

LOUDER = 100.0  # an input of this scale tells a norm from other modules
NEAR = 0.1  # of 1, for the mean square of some hundred numbers


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises: one of torch's or ours, one that extends it, or a user's that acts as they do.

    A user's has a weight per channel, and perhaps a bias. With weight 1 and bias 0, it gives values of mean square 1,
    whatever the scale of its input.
    """
    return isinstance(module, NORMS) or (_has_vectors(module) and _normalises(module))


def cancels_scale(norm: nn.Module) -> bool:
    """Whether a norm undoes any scale of the layer before it; the local response norm only dampens large values."""
    return is_norm(norm) and not isinstance(norm, SCALED)


def restarts(module: nn.Module) -> bool:
    """Whether a module is a norm whose start `restart` knows: torch's, ours, or a user's without a reset of its own.

    A class that extends one of torch's may have other parameters and another start.
    """
    if isinstance(module, NORMS):
        return type(module).__module__.startswith(HOMES) and _holds_no_other(module)
    return not hasattr(module, "reset_parameters") and is_norm(module)


def restart(norm: nn.Module) -> None:
    """Set a norm to weight 1, bias 0 and no statistics: reset_parameters() of torch's in a third of its time."""
    _start(norm._parameters)
    forget(norm)


def forget(norm: nn.Module) -> None:
    """Set the running statistics of a norm to those of a new one."""
    _start({name: tensor for name, tensor in norm._buffers.items() if name in STARTS})


@torch.no_grad()
def standardizes(layer: Layer) -> bool:
    """Whether a layer of a class that extends torch's undoes any scale of its weights: weight standardization."""
    if type(layer).__module__.startswith("torch.nn."):
        return False
    tried, generator = copy.deepcopy(layer).float().cpu(), torch.Generator().manual_seed(0)
    weight = torch.randn(tried.weight.shape, generator=generator)
    size = weight.shape[1] * getattr(layer, "groups", 1), *(8 * taps for taps in weight.shape[2:])
    x = torch.randn(1, *size, generator=generator)
    for name, parameter in tried.named_parameters():
        parameter.fill_(0 if name == "bias" else 1)
    small, large = (_output(tried, scale * weight, x) for scale in (1.0, LOUDER))
    return small is not None and large is not None and torch.allclose(small, large, rtol=NEAR, atol=NEAR)


def _output(layer: Layer, weight: Tensor, x: Tensor) -> Tensor | None:
    """What a layer of a user's own makes of an input with this weight; None where it takes no such input."""
    layer.weight.copy_(weight)
    try:
        out: Tensor = layer(x)
        return out
    except Exception:
        return None


def refuse_standardized(layers: Iterable[Layer], initializer: str) -> None:
    """Raise UserError where a layer standardizes its weights, for an initializer that decides more than directions."""
    if any(map(standardizes, layers)):
        raise UserError(
            f"{initializer} sets the scale of weights or how they fit together, and the convolutions here standardize "
            "their weights, which undoes it; take a normalization without weight standardization, such as group, or "
            "an initializer of independent weights, such as he_normal"
        )


def _start(tensors: Mapping[str, Tensor | None]) -> None:
    for name, tensor in tensors.items():
        if tensor is not None and STARTS[name]:
            tensor.fill_(STARTS[name])
        elif tensor is not None:
            tensor.zero_()


def _holds_no_other(module: nn.Module) -> bool:
    return not module._modules and module._parameters.keys() | module._buffers.keys() <= STARTS.keys()


def _has_vectors(module: nn.Module) -> bool:
    """Whether all that a module holds is a weight per channel, perhaps a bias, and statistics."""
    weight = module._parameters.get("weight")
    if weight is None or not _holds_no_other(module):
        return False
    return all(one is None or (one.dim() == 1 and one.shape == weight.shape) for one in module._parameters.values())


@torch.no_grad()
def _normalises(module: nn.Module) -> bool:
    """Whether a copy of the module, at weight 1 and bias 0, maps an input of any scale to mean square 1."""
    tried = copy.deepcopy(module).float().cpu().train()
    restart(tried)
    for x in _inputs(tried.get_parameter("weight").numel()):
        try:
            outputs = [tried(scale * x) for scale in (1.0, LOUDER)]
        except Exception:  # whatever a user's code raises at a tensor of another layout
            continue
        return all(isinstance(y, Tensor) and abs(float(y.square().mean()) - 1) < NEAR for y in outputs)
    return False


def _inputs(channels: int) -> Iterator[Tensor]:
    """Random numbers with the channels second, as in images, and last, as in tokens."""
    x = torch.randn(8, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    yield from (x, x.movedim(1, -1), x.flatten(2).movedim(1, -1), x[:, :, 0, 0])
