"""Convolutions with one matrix at the centre of their kernel and zeros elsewhere; a linear layer is that matrix.

In: a weight and a generator, or a model. Out: the weight or model, filled in place. Touches: the tensors it is handed.
"""

import functools
import math

import torch
from torch import Generator, Tensor, nn

from bench.bounds import Nonnegative, Share
from bench.parts.gain import number
from bench.parts.initializer import scheme, streams
from bench.parts.initializer.layers import law, layers
from bench.parts.initializer.norms import refuse_standardized
from bench.parts.initializer.orthogonal import orthogonal, refuse_fewer_outputs
from bench.registry import initializer, refuse_unknown

NORMALIZERS = {"code": 0, "paper": 1}  # the k of 2^(-(m - k) / 2)


@law
def delta_orthogonal(weight: Tensor, generator: Generator, *, gain: float | str, power: Share) -> None:
    """Set a convolution's centre tap to gain^power Q, Q (c_out, c_in) with orthonormal columns (Xiao et al. 2018).

    The centre of an even kernel is left of its middle, as in JAX and TensorFlow.

    It keeps the norm of every input (times the gain), whatever the padding, which takes c_in <= c_out; a linear layer,
    such as the classifier, is orthogonal without that condition. TensorFlow multiplies with sqrt(gain): power 0.5.
    Raises Unfit for a convolution with more inputs than outputs.
    """
    refuse_fewer_outputs(weight, "delta-orthogonal")
    matrix = torch.empty(weight.shape[:2])
    orthogonal(matrix, generator, gain=number(gain) ** power)
    center(weight.zero_(), left=True).copy_(matrix)


@law
def dirac(weight: Tensor, generator: Generator, *, noise: float) -> None:
    """Set a convolution's centre tap to the (partial) identity (c_out, c_in); add N(0, noise²) to every weight.

    Without noise nothing is drawn, and this is torch's dirac_, or eye_ of a linear layer.
    Raises UserError for a noise that is negative or not finite.
    """
    weight.zero_()
    if number(noise, "noise"):
        streams.normal(weight, generator)
        weight.mul_(noise)
    center(weight).diagonal().add_(1)


@law
def zero_hadamard(weight: Tensor, generator: Generator, *, normalizer: str) -> None:
    """Set a convolution's centre tap to ZerO's matrix (Zhao et al. 2022, algorithms 1 and 2), without a draw.

    It is the (partial) identity where c_out <= c_in; else the corner (c_out, c_in) of 2^(-m / 2) H_m, H_m the Hadamard
    matrix of size 2^m and m = ceil(log2 c_out). Normalizer "code" is that, of the published code, whose H is
    orthonormal; "paper" prints 2^(-(m - 1) / 2). Raises UserError for another.
    """
    refuse_unknown("normalizer", normalizer, NORMALIZERS)
    matrix = center(weight.zero_())
    c_out, c_in = matrix.shape
    if c_out <= c_in:
        matrix.diagonal().fill_(1)
        return
    m = math.ceil(math.log2(c_out))
    hadamard = functools.reduce(torch.kron, [torch.tensor([[1.0, 1.0], [1.0, -1.0]])] * m)
    matrix.copy_(hadamard[:c_out, :c_in] * 2 ** (-(m - NORMALIZERS[normalizer]) / 2))


@initializer
def idinit(model: nn.Module, generator: Generator, batch: object, *, tau: Nonnegative, epsilon: Nonnegative) -> None:
    """Set each layer to tau times the padded identity, the last of each residual branch to epsilon times it (Pan 2025).

    The padded identity (c_out, c_in) has one 1 a row, in column i mod c_in, so that it has full rank however many
    outputs there are. A convolution has it at its centre; the paper's variant that spreads it over the kernel's taps
    ("patch-maintain") is not done here. Nothing is drawn; biases are 0. Without branches every layer gets tau.
    """
    refuse_standardized(layers(model), "idinit")
    last, others = (functools.partial(_padded_identity, scale=scale) for scale in (epsilon, tau))
    scheme.fill(model, generator, others, {"last": last})


def _padded_identity(weight: Tensor, generator: Generator, scale: float) -> None:
    rows = torch.arange(weight.shape[0])
    center(weight.zero_())[rows, rows % weight.shape[1]] = scale


def center(weight: Tensor, left: bool = False) -> Tensor:
    """A view of the matrix (c_out, c_in) at the centre of a kernel; right of the middle of an even one, as in torch."""
    for size in weight.shape[2:]:
        weight = weight[:, :, (size - left) // 2]
    return weight
