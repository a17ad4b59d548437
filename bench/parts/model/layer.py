"""The convolution that all models share: it has a bias only where no normalization follows.

In: channels and the run's normalization. Out: modules. Touches: nothing.
"""

from collections.abc import Callable

from torch import nn

from bench.catalogue import options
from bench.parts.arguments import SUM
from bench.schema import Unfit

Shape = tuple[int, int, int]  # channels, height, width of one image
Activation = Callable[[], nn.Module]
Normalization = Callable[[int], nn.Module]


def convolution_and_norm(
    c_in: int, c_out: int, kernel: int, stride: int, normalization: Normalization
) -> tuple[nn.Conv2d, nn.Module]:
    """A convolution that keeps height and width (divided by its stride, rounded up), and its normalization."""
    norm = normalization(c_out)
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=is_none(norm)), norm


def is_none(norm: nn.Module) -> bool:
    """Whether the normalization is the identity: its convolution then needs a bias, as nothing else shifts."""
    return isinstance(norm, nn.Identity)


def refuse_other_than_sum(residual: str, because: str) -> None:
    """Raises Unfit where an initializer needs a form of residual block that the model does not have."""
    if residual != SUM:
        able = [name for name, option in options("model").items() if option["function"] == "resnet"]
        raise Unfit(because, f"residual={residual} is not for this model: {because}; take model={', '.join(able)}")
