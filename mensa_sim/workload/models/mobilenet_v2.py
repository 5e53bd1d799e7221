"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), as in TensorFlow's slim."""

from collections import OrderedDict

from torch import nn

from mensa_sim.workload.models.blocks import ConvNorm, classifier, round_channels
from mensa_sim.workload.models.inverted_residual import inverted_residual

# Expansion, channels, repeats, stride of the first: table 2 of the publication.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2_trunk(alpha: float = 1.0, output_stride: int = 32) -> nn.Sequential:
    """The stem and the 17 inverted residual blocks, up to the 320-channel activation.

    Position 0 is the stem, position k the k-th block. Beyond `output_stride` a strided block keeps its
    resolution and later ones are dilated instead (Chen et al. 2017).
    """
    inputs = round_channels(32 * alpha)
    blocks: list[nn.Module] = [ConvNorm(3, inputs, 3, stride=2)]
    reached, dilation = 2, 1
    for expansion, channels, repeats, first_stride in _STAGES:
        outputs = round_channels(channels * alpha)
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            dilates = stride > 1 and reached >= output_stride
            blocks.append(
                inverted_residual(
                    inputs,
                    round_channels(inputs * expansion),
                    outputs,
                    stride=1 if dilates else stride,
                    dilation=dilation,
                )
            )
            if dilates:
                dilation *= stride
            else:
                reached *= stride
            inputs = outputs
    return nn.Sequential(*blocks)


def mobilenet_v2(alpha: float = 1.0, classes: int = 1001) -> nn.Sequential:
    """MobileNetV2 for images of any resolution (published at 96 to 224); scores, no softmax.

    The last convolution keeps 1280 channels under multipliers below 1. slim's checkpoints have 1001 classes:
    ImageNet's and a background.
    """
    last = round_channels(1280 * max(1.0, alpha))
    return nn.Sequential(
        OrderedDict(
            trunk=mobilenet_v2_trunk(alpha),
            last=ConvNorm(round_channels(320 * alpha), last),
            head=classifier(last, classes),
        )
    )
