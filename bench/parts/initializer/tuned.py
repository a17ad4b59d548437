"""Weights whose scales are tuned by a step of training, tried at the start: GradInit and MetaInit.

In: a model, a generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bench.bounds import Fraction, Natural, Nonnegative, Positive
from bench.parts.dataset.tensors import Split
from bench.parts.initializer import streams
from bench.parts.initializer.scheme import (
    all_or_nothing,
    differentiable,
    fill,
    given,
    gradients,
    measured,
    normal,
    parameters,
)
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
    slopes = gradients(loss, tensors.values(), create_graph=True)
    norm = torch.stack([slope.square().sum() for slope in slopes]).sum().sqrt()
    if norm > gamma:
        return norm
    steps = (step_size * slope.detach() / norm.detach() for slope in slopes)
    after = {name: tensor - step for (name, tensor), step in zip(tensors.items(), steps, strict=True)}
    return cross_entropy(functional_call(model, after, second.images), second.labels) / step_size


def learn(factors: Tensors, objective: Tensor, optimizer: torch.optim.Optimizer, minimum: float) -> None:
    """One step of the factors down the objective."""
    for factor, slope in zip(factors.values(), gradients(objective, factors.values()), strict=True):
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


@initializer
@all_or_nothing
def metainit(
    model: nn.Module,
    generator: Generator,
    batch: Split | None,
    *,
    gain: float | str,
    mode: str,
    steps: Natural,
    learning_rate: Nonnegative,
    momentum: Fraction,
    epsilon: Nonnegative,
) -> None:
    """Tune the norm of each weight tensor by signed descent on the gradient quotient (Dauphin & Schoenholz 2019).

    Weights start from N(0, gain² / n). Images are N(0, 1) and labels uniform, drawn anew at each step; of the batch
    only the shape is used. Raises UserError without a batch, and Unfit for a normalization without a third derivative
    in torch.
    """
    images = given(batch, model).images
    fill(model, generator, normal(gain, mode))
    tensors = {name: parameter.requires_grad_() for name, parameter in parameters(model).items()}
    tuned = [tensor for tensor in tensors.values() if tensor.ndim > 1]
    velocities = [0.0] * len(tuned)
    with measured(model), torch.enable_grad(), differentiable("metainit", "third"):
        for _ in range(steps):
            quotient = gradient_quotient(model, tensors, noise(model, images, generator), epsilon)
            for index, (tensor, gradient) in enumerate(zip(tuned, gradients(quotient, tuned), strict=True)):
                slope = float((tensor.detach() * gradient).sum().sign())  # of the quotient along the norm
                velocities[index] = momentum * velocities[index] - learning_rate * slope
                lengthen(tensor, velocities[index], epsilon)
    model.load_state_dict(tensors, strict=False)


def gradient_quotient(model: nn.Module, tensors: Tensors, batch: Split, epsilon: float) -> Tensor:
    """Mean of |(g - Hg) / (g ± epsilon) - 1| over all parameters: how far one step of size 1 would change g."""
    values = list(tensors.values())
    loss = cross_entropy(functional_call(model, tensors, batch.images), batch.labels)
    slopes = gradients(loss, values, create_graph=True)
    half_square = sum((slope.square().sum() / 2 for slope in slopes), torch.zeros(()))
    products = gradients(half_square, values, create_graph=True)  # H g
    total = torch.zeros(())
    for slope, product in zip(slopes, products, strict=True):
        away_from_zero = torch.where(slope >= 0, epsilon, -epsilon)
        total = total + ((slope - product) / (slope + away_from_zero) - 1).abs().sum()
    return total / sum(value.numel() for value in values)


@torch.no_grad()
def noise(model: nn.Module, images: Tensor, generator: Generator) -> Split:
    """As many N(0, 1) images, with labels drawn uniformly from the classes of the model."""
    values, labels = torch.empty(images.shape), torch.empty(len(images))
    streams.normal(values, generator)
    streams.uniform(labels, generator)
    classes = model(images[:2]).shape[1]
    return Split(values.to(images), labels.mul(classes).long().to(images.device))


@torch.no_grad()
def lengthen(tensor: Tensor, change: float, epsilon: float) -> None:
    """Add `change` to the norm of a tensor, its direction kept."""
    norm = tensor.norm()
    tensor.mul_((norm + change) / (norm + epsilon))
