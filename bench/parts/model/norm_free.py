"""NF-ResNets: bottlenecks in the order of pre-activation, whose variance is kept by constants instead of statistics.

In: a shape, a number of classes, the run's activation and normalization. Out: a module. Touches: nothing else.
"""

from torch import Tensor, nn

from bench.bounds import Positive
from bench.parts.gain import gain
from bench.parts.model.cifar import global_average
from bench.parts.model.imagenet import LAYERS, STEM, STEMS, averaging_shortcut, stem_and_norm
from bench.parts.model.layer import Activation, Given, convolution_and_norm, network, refuse_other_than_sum
from bench.parts.normalization import start_at_zero
from bench.registry import refuse_unknown
from bench.schema import UserError

DEPTHS = (26, 50, 101)  # timm's
WIDTHS = (64, 128, 256, 512)  # channels within the bottlenecks of each stage; 4 times as many between


@network
def nf_resnet(given: Given, *, depth: int, stem: str, alpha: Positive, zero_init_residual: bool) -> nn.Module:
    """NF-ResNet (Brock et al. 2021): blocks x + alpha f(x / sqrt(v)), v the variance that x has at the start.

    It is normalizer-free with normalization=scaled_weight_standardization, whose gain and bias follow each convolution;
    another normalization stands there instead. Activations are multiplied with gamma = 1 / std(phi(z)), z ~ N(0, 1),
    and a shortcut that changes the shape averages pixels. v starts at 1, is 1 + alpha² after the first block of a
    stage, and grows by alpha² a block. Stems as in `imagenet_resnet`; with zero_init_residual the last gain of each
    branch starts at 0. Raises UserError for another depth or stem, another residual than "sum", zero_init_residual with
    a normalization without a weight, and an activation without a gamma.
    """
    refuse_other_than_sum(given.residual, "NF-ResNets scale their branches by alpha")
    if depth not in DEPTHS:
        raise UserError(f"nf_resnet has no depth {depth}; take {', '.join(map(str, DEPTHS))}")
    refuse_unknown("stem", stem, STEMS)
    given = given._replace(activation=scaled(given.activation))
    return NormFreeNet(given, depth, stem, alpha, zero_init_residual)


class NormFreeNet(nn.Module):
    """A stem, four stages of bottlenecks, an activation, a global average, a linear layer."""

    def __init__(self, given: Given, depth: int, stem: str, alpha: float, zero_init_residual: bool) -> None:
        super().__init__()
        self.conv1, self.norm1 = stem_and_norm(given, stem)
        self.maxpool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, 2, 1)
        stages, c_in, variance = [], STEM, 1.0
        for number, (width, count) in enumerate(zip(WIDTHS, LAYERS[depth], strict=True)):
            blocks = []
            for index in range(count):
                stride = 2 if number and not index else 1
                block = NormFreeBlock(c_in, width, stride, given, alpha, variance**-0.5)
                if zero_init_residual:
                    start_at_zero(block.norm3)
                blocks.append(block)
                c_in, variance = 4 * width, alpha**2 + (variance if index else 1.0)
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.activation = given.activation()
        self.linear = nn.Linear(c_in, given.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        x = self.maxpool(self.norm1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.linear(global_average(self.activation(x)))
        return logits


class NormFreeBlock(nn.Module):
    """x + alpha f(beta x), f a bottleneck that begins with an activation; a shortcut that changes the shape sees it."""

    def __init__(self, c_in: int, width: int, stride: int, given: Given, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha, self.beta, c_out = alpha, beta, 4 * width
        activation, normalization = given.activation, given.normalization
        self.activation1 = activation()
        self.conv1, self.norm1 = convolution_and_norm(c_in, width, 1, 1, normalization)
        self.activation2 = activation()
        self.conv2, self.norm2 = convolution_and_norm(width, width, 3, stride, normalization)
        self.activation3 = activation()
        self.conv3, self.norm3 = convolution_and_norm(width, c_out, 1, 1, normalization)
        self.shortcut: nn.Module | None = None
        if stride > 1 or c_in != c_out:
            self.shortcut = averaging_shortcut(c_in, c_out, stride, normalization)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up."""
        activated = self.activation1(x) * self.beta
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        branch = self.norm1(self.conv1(activated))
        branch = self.norm2(self.conv2(self.activation2(branch)))
        branch = self.norm3(self.conv3(self.activation3(branch)))
        out: Tensor = self.alpha * branch + shortcut
        return out


class Scaled(nn.Module):
    """gamma phi(x)."""

    def __init__(self, activation: nn.Module, gamma: float) -> None:
        super().__init__()
        self.activation, self.gamma = activation, gamma

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        out: Tensor = self.gamma * self.activation(x)
        return out


def scaled(activation: Activation) -> Activation:
    """The activation times gamma, so that independent values of variance 1 keep it."""
    gamma = gain(activation(), "variance")
    return lambda: Scaled(activation(), gamma)
