"""A tiny network with one of each common layer, for first runs and tests."""

from torch import Tensor, nn

from mensa_sim.workload.models.blocks import ConvNorm, Residual, classifier


class SmallCNN(nn.Module):
    """A strided convolution, a residual depthwise-separable block, a max pooling and a dense layer.

    Our own: no publication. Each layer is of a kind that MobileNets are made of, at a size that traces in a
    fraction of a second.
    """

    def __init__(self, channels: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvNorm(3, channels, 3, stride=2, activation=nn.ReLU)
        self.block = Residual(
            nn.Sequential(
                ConvNorm(channels, channels, 3, groups=channels, activation=nn.ReLU),
                ConvNorm(channels, channels, 1, activation=None),
            )
        )
        self.pool = nn.MaxPool2d(2)
        self.head = classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to class scores."""
        scores: Tensor = self.head(self.pool(self.block(self.stem(x))))
        return scores
