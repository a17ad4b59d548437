"""Weights whose scales are tuned so that a step of gradient descent changes the gradient least.

In: a model, a generator, a batch for its shape. Out: the model, filled in place. Touches: the tensors it is handed.
"""

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bench.bounds import Fraction, Natural, Nonnegative
from bench.parts.dataset.tensors import Split
from bench.parts.initializer import streams
from bench.parts.initializer.scheme import all_or_nothing, differentiable, fill, given, measured, normal, parameters
from bench.registry import initializer


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
            gradients = torch.autograd.grad(quotient, tuned)
            for index, (tensor, gradient) in enumerate(zip(tuned, gradients, strict=True)):
                slope = float((tensor.detach() * gradient).sum().sign())  # of the quotient along the norm
                velocities[index] = momentum * velocities[index] - learning_rate * slope
                lengthen(tensor, velocities[index], epsilon)
    model.load_state_dict(tensors, strict=False)


def gradient_quotient(model: nn.Module, tensors: dict[str, Tensor], batch: Split, epsilon: float) -> Tensor:
    """Mean of |(g - Hg) / (g ± epsilon) - 1| over all parameters: how far one step of size 1 would change g."""
    values = list(tensors.values())
    loss = cross_entropy(functional_call(model, tensors, batch.images), batch.labels)
    gradients = torch.autograd.grad(loss, values, create_graph=True)
    half_square = sum((gradient.square().sum() / 2 for gradient in gradients), torch.zeros(()))
    products = torch.autograd.grad(half_square, values, create_graph=True)  # H g
    total = torch.zeros(())
    for gradient, product in zip(gradients, products, strict=True):
        away_from_zero = torch.where(gradient >= 0, epsilon, -epsilon)
        total = total + ((gradient - product) / (gradient + away_from_zero) - 1).abs().sum()
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
