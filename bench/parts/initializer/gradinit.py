"""Weights whose scales are learned so that the first step of training lowers the loss most.

In: a model, a generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bench.bounds import Natural, Nonnegative, Positive
from bench.parts.dataset.tensors import Split
from bench.parts.initializer import streams
from bench.parts.initializer.scheme import all_or_nothing, differentiable, fill, given, measured, normal, parameters
from bench.registry import initializer
from bench.schema import UserError

Tensors = dict[str, Tensor]


@initializer
@all_or_nothing
def gradinit(
    model: nn.Module,
    generator: Generator,
    batch: Split | None,
    *,
    gain: float | str,
    mode: str,
    iterations: Natural,
    learning_rate: Nonnegative,
    step_size: Nonnegative,
    gamma: Positive,
    minimum: Nonnegative,
) -> None:
    """Learn one factor per tensor: least loss after a step of `step_size`, gradient norm <= gamma (Zhu et al. 2021).

    Weights start from N(0, gain² / n). The step goes along the normalised gradient, which is held fixed; factors are
    learned by Adam, their gradients cut at ±1, and stay above `minimum`. Gradient and loss are of two parts of the
    batch that share half of their images, as in the published code, drawn anew each time. Raises UserError without a
    batch, or with fewer than three images.
    """
    data = given(batch, model)
    if len(data.labels) < 3:
        raise UserError(f"gradinit needs at least 3 images with their labels, and got {len(data.labels)} labels")
    fill(model, generator, normal(gain, mode))
    weights = parameters(model)
    factors = {name: torch.ones_like(weight.sum()).requires_grad_() for name, weight in weights.items()}
    optimizer = torch.optim.Adam(factors.values(), lr=learning_rate)
    with measured(model), torch.enable_grad(), differentiable("gradinit", "second"):
        for _ in range(iterations):
            splits = overlapping_splits(data, generator)
            objective = loss_after_a_step(model, scaled(weights, factors), splits, step_size, gamma)
            learn(factors, objective, optimizer, minimum)
    model.load_state_dict(scaled(weights, factors), strict=False)


def scaled(weights: Tensors, factors: Tensors) -> Tensors:
    """Each tensor times its factor."""
    return {name: factors[name] * weight for name, weight in weights.items()}


def loss_after_a_step(
    model: nn.Module, tensors: Tensors, splits: tuple[Split, Split], step_size: float, gamma: float
) -> Tensor:
    """The loss on the second split after a step down the gradient of the first, over step_size.

    Returns the norm of the gradient instead where it is above gamma, since the norm has to come down first.
    """
    first, second = splits
    loss = cross_entropy(functional_call(model, tensors, first.images), first.labels)
    gradients = torch.autograd.grad(loss, list(tensors.values()), create_graph=True)
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    if norm > gamma:
        return norm
    steps = (step_size * gradient.detach() / norm.detach() for gradient in gradients)
    after = {name: tensor - step for (name, tensor), step in zip(tensors.items(), steps, strict=True)}
    return cross_entropy(functional_call(model, after, second.images), second.labels) / step_size


def learn(factors: Tensors, objective: Tensor, optimizer: torch.optim.Optimizer, minimum: float) -> None:
    """One step of the factors down the objective."""
    for factor, slope in zip(factors.values(), torch.autograd.grad(objective, list(factors.values())), strict=True):
        factor.grad = slope.clamp(-1, 1)
    optimizer.step()
    with torch.no_grad():
        for factor in factors.values():
            factor.clamp_(min=minimum)


def overlapping_splits(data: Split, generator: Generator) -> tuple[Split, Split]:
    """Two splits with two thirds of the images each; half of each split is in both."""
    order = torch.empty(len(data.labels))
    streams.uniform(order, generator)
    shared, one, other = order.argsort().to(data.labels.device).tensor_split(3)
    return data.take(torch.cat([shared, one])), data.take(torch.cat([shared, other]))
