from torch import Tensor, nn


class TeamNet(nn.Module):
    """Eight 3x3 convolutions, each with GroupNorm and SiLU, a global average, a linear layer."""

    def __init__(self, num_classes: int, in_channels: int, width: int = 16) -> None:
        super().__init__()
        channels = in_channels
        layers: list[nn.Module] = []
        for _ in range(8):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.GroupNorm(4, width), nn.SiLU()]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(images).mean((2, 3)))
        return logits
