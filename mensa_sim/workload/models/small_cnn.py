"""A tiny network with one of each common layer, for first runs and tests."""

from collections import OrderedDict

from torch import nn

from mensa_sim.workload.models.blocks import ConvNorm, Residual, classifier


class SmallCNN(nn.Sequential):
    """A strided convolution, a residual depthwise-separable block, a max pooling and a dense layer.

    Our own: no publication. Each layer is of a kind that MobileNets are made of, at a size that traces in a
    fraction of a second.
    """

    def __init__(self, channels: int = 16, classes: int = 10) -> None:
        depthwise = ConvNorm(channels, channels, 3, groups=channels, activation=nn.ReLU)
        pointwise = ConvNorm(channels, channels, 1, activation=None)
        super().__init__(
            OrderedDict(
                stem=ConvNorm(3, channels, 3, stride=2, activation=nn.ReLU),
                block=Residual(nn.Sequential(depthwise, pointwise)),
                pool=nn.MaxPool2d(2),
                head=classifier(channels, classes),
            )
        )
