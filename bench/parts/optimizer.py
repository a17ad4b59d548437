"""Optimizers over the parameters of a model.

In: a model. Out: a torch optimizer. Touches: nothing; the task steps it.
"""

import inspect
from typing import Annotated, TypeVar

import torch
from torch import nn

from bench.bounds import Fraction, Length, Nonnegative
from bench.parts.initializer.norms import is_norm
from bench.registry import optimizer
from bench.schema import UserError

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)
Betas = Annotated[list[Fraction], Length(2)]  # decay of the running mean of g, and of g²


def eager(kind: type[Kind]) -> type[Kind]:
    """This kind of optimizer, for updates that are not compiled.

    When an optimizer is made and stepped, torch imports its compiler, which takes seconds in each process, only to
    exclude the optimizer from compilation. The methods here are torch's own without that wrapper. The change of the
    weights by these kinds is proportional to the learning rate, and their state does not depend on it: so a pack may be
    stepped as one (bench/train/update.py).
    """
    step, add_param_group = inspect.unwrap(kind.step), inspect.unwrap(kind.add_param_group)
    own = {"step": torch.no_grad()(step), "add_param_group": add_param_group, "proportional": True}
    return type(kind.__name__, (kind,), own)


SGD, Adam, AdamW = eager(torch.optim.SGD), eager(torch.optim.Adam), eager(torch.optim.AdamW)


@optimizer
def sgd(
    model: nn.Module,
    *,
    learning_rate: Nonnegative,
    momentum: Fraction,
    nesterov: bool,
    weight_decay: Nonnegative,
    decay_norm_and_bias: bool,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with (Nesterov) momentum; weight decay is added to the gradient."""
    groups = parameter_groups(model, learning_rate, weight_decay, decay_norm_and_bias)
    return SGD(groups, lr=learning_rate, momentum=momentum, nesterov=nesterov, foreach=True)


@optimizer
def sgd_norms(model: nn.Module, *, learning_rate: Nonnegative, momentum: Fraction) -> torch.optim.Optimizer:
    """The same for the scales and shifts of the norms alone; all other parameters stay as they are drawn.

    Raises UserError for a model without norms.
    """
    found = [one for module in model.modules() if is_norm(module) for one in module.parameters(recurse=False)]
    if not found:
        raise UserError("optimizer sgd_norms trains the scales and shifts of norms, and this model has none")
    return SGD(found, lr=learning_rate, momentum=momentum, foreach=True)


@optimizer
def adam(
    model: nn.Module,
    *,
    learning_rate: Nonnegative,
    betas: Betas,
    epsilon: Nonnegative,
    weight_decay: Nonnegative,
    decay_norm_and_bias: bool,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015); weight decay is added to the gradient."""
    groups = parameter_groups(model, learning_rate, weight_decay, decay_norm_and_bias)
    return Adam(groups, lr=learning_rate, betas=(betas[0], betas[1]), eps=epsilon, foreach=True)


@optimizer
def adamw(
    model: nn.Module,
    *,
    learning_rate: Nonnegative,
    betas: Betas,
    epsilon: Nonnegative,
    weight_decay: Nonnegative,
    decay_norm_and_bias: bool,
) -> torch.optim.Optimizer:
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019)."""
    groups = parameter_groups(model, learning_rate, weight_decay, decay_norm_and_bias)
    return AdamW(groups, lr=learning_rate, betas=(betas[0], betas[1]), eps=epsilon, foreach=True)


def parameter_groups(
    model: nn.Module, learning_rate: float, weight_decay: float, decay_norm_and_bias: bool
) -> list[dict[str, object]]:
    """The parameters as optimizer groups: tensors of two and more dimensions decay, others if `decay_norm_and_bias`.

    Biases, the scales and shifts of norms and the slopes of PReLU are the tensors of one dimension. The parameters of
    a module with a `learning_rate_factor` learn at that multiple of the learning rate.
    """
    factors = learning_rate_factors(model)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decays = decay_norm_and_bias or parameter.ndim > 1
            groups.setdefault((decays, factors[parameter]), []).append(parameter)
    return [
        {"params": groups[decays, factor], "lr": learning_rate * factor, "weight_decay": weight_decay * decays}
        for decays, factor in sorted(groups, reverse=True)
    ]


def learning_rate_factors(model: nn.Module) -> dict[nn.Parameter, float]:
    """The factor on the learning rate of each parameter: its module's `learning_rate_factor`, 1 where it has none."""
    factors: dict[nn.Parameter, float] = {}
    for module in model.modules():
        factor = getattr(module, "learning_rate_factor", 1.0)
        factors |= dict.fromkeys(module.parameters(recurse=False), float(factor))
    return factors
