"""MobileNetV1 (Howard et al. 2017, arXiv 1704.04861), as in TensorFlow's slim, and PoseNet on top of it."""

from torch import Tensor, nn

from mensa_sim.workload.models.blocks import ConvNorm, classifier, named, strides_and_dilations


def separable(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Sequential:
    """A depthwise 3x3 and a pointwise convolution, each with batch norm and ReLU6."""
    return named(
        depthwise=ConvNorm(inputs, inputs, 3, stride, groups=inputs, dilation=dilation),
        pointwise=ConvNorm(inputs, outputs),
    )


def mobilenet_v1_channels(alpha: float, channels: int) -> int:
    """Channels under a width multiplier: rounded down, at least 8 (slim's `min_depth`)."""
    return max(8, int(channels * alpha))


def mobilenet_v1_trunk(alpha: float = 1.0, depth: int = 5, output_stride: int = 32, last: int = 1024) -> nn.Sequential:
    """The stem and the separable blocks, without classifier.

    `depth` counts the equal 512-channel blocks in the middle (5 in the publication), `last` are the channels of the two
    after them. Beyond `output_stride` blocks are dilated (`strides_and_dilations`).
    """
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * depth, (last, 2), (last, 1)]
    inputs = mobilenet_v1_channels(alpha, 32)
    blocks: list[nn.Module] = [ConvNorm(3, inputs, 3, stride=2)]
    moves = strides_and_dilations((stride for _, stride in plan), output_stride)
    for (channels, _), (stride, dilation) in zip(plan, moves, strict=True):
        outputs = mobilenet_v1_channels(alpha, channels)
        blocks.append(separable(inputs, outputs, stride, dilation))
        inputs = outputs
    return nn.Sequential(*blocks)


def mobilenet_v1(alpha: float = 1.0, depth: int = 5, classes: int = 1001, softmax: bool = False) -> nn.Sequential:
    """MobileNetV1 for images of any resolution (published at 128, 160, 192 and 224); scores, or their softmax.

    slim's checkpoints have 1001 classes: ImageNet's and a background.
    """
    model = named(trunk=mobilenet_v1_trunk(alpha, depth), head=classifier(mobilenet_v1_channels(alpha, 1024), classes))
    return model.append(nn.Softmax(dim=1)) if softmax else model


class PoseNet(nn.Module):
    """Multi-person pose on MobileNetV1 (PersonLab: Papandreou et al. 2018, arXiv 1803.08225); raw heads.

    Per 16 pixels: 17 key-point heat maps, their short-range offsets (2 each), and mid-range displacements
    along the 16 edges of the key-point tree, forward and backward (2 each). Decoding them into poses happens
    on the host and is not part of the model. The last two blocks keep the middle's 512 channels (384 of them at width
    0.75), as in the models that project-posenet deploys: 1.246 G MACs at 481 x 353.
    """

    def __init__(self, alpha: float = 0.75, keypoints: int = 17, edges: int = 16) -> None:
        super().__init__()
        channels = mobilenet_v1_channels(alpha, 512)
        self.trunk = mobilenet_v1_trunk(alpha, output_stride=16, last=512)
        self.heatmaps = nn.Conv2d(channels, keypoints, 1)
        self.offsets = nn.Conv2d(channels, 2 * keypoints, 1)
        self.forward_displacements = nn.Conv2d(channels, 2 * edges, 1)
        self.backward_displacements = nn.Conv2d(channels, 2 * edges, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images (batch, 3, height, width) to heat maps, offsets and displacements at a 16th of the size."""
        features = self.trunk(x)
        return (
            self.heatmaps(features).sigmoid(),
            self.offsets(features),
            self.forward_displacements(features),
            self.backward_displacements(features),
        )
