"""Activations: a new module at each call, never in place, because a block may still need its input.

All elementwise activations of torch.nn. Left out: RReLU, which draws from the global generator in training; Softmax,
Softmin, LogSoftmax, GLU and MultiheadAttention, which mix values.

In: the arguments of conf/activation. Out: a module. Touches: nothing.
"""

from torch import nn

from bench.bounds import Nonnegative, Positive
from bench.registry import activation
from bench.schema import UserError


@activation
def relu() -> nn.Module:
    """max(0, x)."""
    return nn.ReLU()


@activation
def leaky_relu(*, negative_slope: float) -> nn.Module:
    """x for x > 0, negative_slope x below (Maas et al. 2013)."""
    return nn.LeakyReLU(negative_slope)


@activation
def prelu(*, initial_slope: float) -> nn.Module:
    """x for x > 0, a x below; one learned a per module, at first initial_slope (He et al. 2015, channel-shared)."""
    return nn.PReLU(init=initial_slope)


@activation
def elu(*, alpha: Nonnegative) -> nn.Module:
    """x for x > 0, alpha (exp(x) - 1) below (Clevert et al. 2016)."""
    return nn.ELU(alpha)


@activation
def selu() -> nn.Module:
    """1.0507 ELU(x; 1.6733), for which mean 0 and variance 1 are a fixed point (Klambauer et al. 2017)."""
    return nn.SELU()


@activation
def gelu() -> nn.Module:
    """x Phi(x), with the exact normal distribution function (Hendrycks & Gimpel 2016)."""
    return nn.GELU()


@activation
def silu() -> nn.Module:
    """x sigmoid(x), also called Swish (Elfwing et al. 2018)."""
    return nn.SiLU()


@activation
def tanh() -> nn.Module:
    """tanh(x)."""
    return nn.Tanh()


@activation
def sigmoid() -> nn.Module:
    """1 / (1 + exp(-x))."""
    return nn.Sigmoid()


@activation
def softplus(*, beta: Positive) -> nn.Module:
    """log(1 + exp(beta x)) / beta (Dugas et al. 2001)."""
    return nn.Softplus(beta)


@activation
def identity() -> nn.Module:
    """x: a deep linear network (Saxe et al. 2014)."""
    return nn.Identity()


@activation
def gelu_tanh() -> nn.Module:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2, the approximation of gelu (Hendrycks & Gimpel 2016)."""
    return nn.GELU(approximate="tanh")


@activation
def relu6() -> nn.Module:
    """min(max(0, x), 6) (Krizhevsky 2010)."""
    return nn.ReLU6()


@activation
def celu(*, alpha: Positive) -> nn.Module:
    """x for x > 0, alpha (exp(x / alpha) - 1) below: smooth at 0 for every alpha (Barron 2017)."""
    return nn.CELU(alpha)


@activation
def mish() -> nn.Module:
    """x tanh(log(1 + exp(x))) (Misra 2020)."""
    return nn.Mish()


@activation
def hardswish() -> nn.Module:
    """x min(max(0, x + 3), 6) / 6 (Howard et al. 2019)."""
    return nn.Hardswish()


@activation
def hardsigmoid() -> nn.Module:
    """min(max(0, x + 3), 6) / 6 (Courbariaux et al. 2015, with the slope of Howard et al. 2019)."""
    return nn.Hardsigmoid()


@activation
def hardtanh(*, low: float, high: float) -> nn.Module:
    """min(max(low, x), high) (Collobert 2004). Raises UserError where low is not below high."""
    if low >= high:
        raise UserError(f"hardtanh takes low below high, not activation.low={low} and activation.high={high}")
    return nn.Hardtanh(low, high)


@activation
def softsign() -> nn.Module:
    """x / (1 + |x|) (Bergstra et al. 2009)."""
    return nn.Softsign()


@activation
def tanhshrink() -> nn.Module:
    """x - tanh(x)."""
    return nn.Tanhshrink()


@activation
def softshrink(*, threshold: Nonnegative) -> nn.Module:
    """sign(x) max(|x| - threshold, 0) (Donoho & Johnstone 1994)."""
    return nn.Softshrink(threshold)


@activation
def hardshrink(*, threshold: Nonnegative) -> nn.Module:
    """x where |x| > threshold, else 0 (Donoho & Johnstone 1994)."""
    return nn.Hardshrink(threshold)


@activation
def logsigmoid() -> nn.Module:
    """log(sigmoid(x))."""
    return nn.LogSigmoid()


@activation
def threshold(*, threshold: float, value: float) -> nn.Module:
    """x where x > threshold, else value (torch Threshold)."""
    return nn.Threshold(threshold, value)
