"""Activations: a new module at each call, never in place, because a block may still need its input.

In: the arguments of conf/activation. Out: a module. Touches: nothing.
"""

from torch import nn

from bench.registry import activation


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
def elu(*, alpha: float) -> nn.Module:
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
def softplus(*, beta: float) -> nn.Module:
    """log(1 + exp(beta x)) / beta (Dugas et al. 2001)."""
    return nn.Softplus(beta)


@activation
def identity() -> nn.Module:
    """x: a deep linear network (Saxe et al. 2014)."""
    return nn.Identity()
