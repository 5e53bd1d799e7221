"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), as in TensorFlow's slim."""

from torch import nn

from mensa_sim.workload.models.blocks import (
    ConvNorm,
    classifier,
    inverted_residual,
    named,
    round_channels,
    strides_and_dilations,
)

# Expansion, channels, repeats, stride of the first: table 2 of the publication.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2_trunk(alpha: float = 1.0, output_stride: int = 32) -> nn.Sequential:
    """The stem and the 17 inverted residual blocks, up to the 320-channel activation.

    Position 0 is the stem, position k the k-th block. Beyond `output_stride` blocks are dilated
    (`strides_and_dilations`).
    """
    inputs = round_channels(32 * alpha)
    blocks: list[nn.Module] = [ConvNorm(3, inputs, 3, stride=2)]
    plan = [(expansion, channels) for expansion, channels, repeats, _ in _STAGES for _ in range(repeats)]
    strides = (1 if repeat else stride for _, _, repeats, stride in _STAGES for repeat in range(repeats))
    moves = strides_and_dilations(strides, output_stride)
    for (expansion, channels), (stride, dilation) in zip(plan, moves, strict=True):
        expanded, outputs = round_channels(inputs * expansion), round_channels(channels * alpha)
        blocks.append(inverted_residual(inputs, expanded, outputs, stride=stride, dilation=dilation))
        inputs = outputs
    return nn.Sequential(*blocks)


def mobilenet_v2(alpha: float = 1.0, classes: int = 1001) -> nn.Sequential:
    """MobileNetV2 for images of any resolution (published at 96 to 224); scores, no softmax.

    The last convolution keeps 1280 channels under multipliers below 1. slim's checkpoints have 1001 classes:
    ImageNet's and a background.
    """
    last = round_channels(1280 * max(1.0, alpha))
    return named(
        trunk=mobilenet_v2_trunk(alpha),
        last=ConvNorm(round_channels(320 * alpha), last),
        head=classifier(last, classes),
    )
