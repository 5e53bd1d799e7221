"""ResNets (He et al. 2015, arXiv 1512.03385) and the small residual network for 32 x 32 images."""

from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.lookup import lookup
from mensa_sim.workload.models.blocks import ConvNorm, classifier, named

# Blocks per stage, and whether they are bottlenecks: table 1 of the publication.
DEPTHS: dict[str, tuple[tuple[int, ...], bool]] = {
    "18": ((2, 2, 2, 2), False),
    "34": ((3, 4, 6, 3), False),
    "50": ((3, 4, 6, 3), True),
    "101": ((3, 4, 23, 3), True),
    "152": ((3, 8, 36, 3), True),
}


class ResidualBlock(nn.Module):
    """Convolutions whose output is added to the input, or to a 1x1 projection of it where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        relu = nn.ReLU
        if bottleneck:
            layers = [
                ConvNorm(inputs, width, 1, stride, activation=relu),
                ConvNorm(width, width, 3, activation=relu),
                ConvNorm(width, outputs, 1, activation=None),
            ]
        else:
            layers = [ConvNorm(inputs, width, 3, stride, activation=relu), ConvNorm(width, outputs, 3, activation=None)]
        self.body = nn.Sequential(*layers)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvNorm(inputs, outputs, 1, stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, inputs, height, width) to (batch, outputs, height / stride, width / stride)."""
        return functional.relu(self.body(x) + self.shortcut(x))


def resnet(depth: int = 50, classes: int = 1000) -> nn.Sequential:
    """ResNet of 18, 34, 50, 101 or 152 layers for images of 224 x 224 (any size works); scores, no softmax.

    As published ("v1"): a strided bottleneck has its stride in the first 1x1 convolution.
    """
    repeats, bottleneck = lookup(DEPTHS, str(depth), "depth of a ResNet")
    inputs = 64
    stages = []
    for stage, count in enumerate(repeats):
        blocks = []
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(ResidualBlock(inputs, 64 << stage, stride, bottleneck))
            inputs = (64 << stage) * (4 if bottleneck else 1)
        stages.append(nn.Sequential(*blocks))
    return named(
        stem=ConvNorm(3, 64, 7, stride=2, activation=nn.ReLU),
        pool=nn.MaxPool2d(3, stride=2, padding=1),
        stages=nn.Sequential(*stages),
        head=classifier(inputs, classes),
    )


def residual_cnn(classes: int = 10) -> nn.Sequential:
    """A convolution, three residual blocks 64-64-128-256 and two dense layers, for images of 32 x 32 x 3.

    Blocks of two 3x3 convolutions as in He et al. 2015, the second and third with stride 2; the dense layer of
    512 units reads the mean over the pixels.
    """
    return named(
        stem=ConvNorm(3, 64, 3, activation=nn.ReLU),
        block1=ResidualBlock(64, 64, 1, bottleneck=False),
        block2=ResidualBlock(64, 128, 2, bottleneck=False),
        block3=ResidualBlock(128, 256, 2, bottleneck=False),
        hidden=classifier(256, 512),
        activation=nn.ReLU(),
        scores=nn.Linear(512, classes),
    )
