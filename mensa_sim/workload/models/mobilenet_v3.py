"""MobileNetV3 and MobileNetEdgeTPU, as in TensorFlow's slim.

MobileNetV3: Howard et al. 2019, arXiv 1905.02244, tables 1 and 2. MobileNetEdgeTPU: Howard and Gupta, "Introducing the
Next Generation of On-Device Vision Models: MobileNetV3 and MobileNetEdgeTPU", Google AI blog, November 2019.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from mensa_sim.workload.models.blocks import ConvNorm, classifier, inverted_residual, named, round_channels


class BlockShape(NamedTuple):
    """One inverted residual block; `swish` chooses the activation, the other fields are `inverted_residual`'s."""

    expansion: float
    channels: int
    kernel: int = 3
    stride: int = 1
    squeeze: bool = False
    swish: bool = False
    fused: bool = False
    skip: bool = True


LARGE = (
    BlockShape(1, 16),
    BlockShape(4, 24, stride=2),
    BlockShape(3, 24),
    BlockShape(3, 40, 5, 2, squeeze=True),
    BlockShape(3, 40, 5, squeeze=True),
    BlockShape(3, 40, 5, squeeze=True),
    BlockShape(6, 80, stride=2, swish=True),
    BlockShape(2.5, 80, swish=True),
    BlockShape(184 / 80, 80, swish=True),
    BlockShape(184 / 80, 80, swish=True),
    BlockShape(6, 112, squeeze=True, swish=True),
    BlockShape(6, 112, squeeze=True, swish=True),
    BlockShape(6, 160, 5, 2, squeeze=True, swish=True),
    BlockShape(6, 160, 5, squeeze=True, swish=True),
    BlockShape(6, 160, 5, squeeze=True, swish=True),
)
SMALL = (
    BlockShape(1, 16, stride=2, squeeze=True),
    BlockShape(72 / 16, 24, stride=2),
    BlockShape(88 / 24, 24),
    BlockShape(4, 40, 5, 2, squeeze=True, swish=True),
    BlockShape(6, 40, 5, squeeze=True, swish=True),
    BlockShape(6, 40, 5, squeeze=True, swish=True),
    BlockShape(3, 48, 5, squeeze=True, swish=True),
    BlockShape(3, 48, 5, squeeze=True, swish=True),
    BlockShape(6, 96, 5, 2, squeeze=True, swish=True),
    BlockShape(6, 96, 5, squeeze=True, swish=True),
    BlockShape(6, 96, 5, squeeze=True, swish=True),
)
_EDGETPU = (
    BlockShape(1, 16, fused=True),
    BlockShape(8, 32, stride=2, fused=True),
    *[BlockShape(4, 32, fused=True)] * 3,
    BlockShape(8, 48, stride=2, fused=True),
    *[BlockShape(4, 48, fused=True)] * 3,
    BlockShape(8, 96, stride=2),
    *[BlockShape(4, 96)] * 3,
    BlockShape(8, 96, skip=False),
    *[BlockShape(4, 96)] * 3,
    BlockShape(8, 160, 5, 2),
    *[BlockShape(4, 160, 5)] * 3,
    BlockShape(8, 192),
)


def blocks(inputs: int, plan: Sequence[BlockShape], alpha: float) -> tuple[list[nn.Module], int]:
    """The blocks of a plan under a width multiplier, and the channels that leave the last one."""
    made = []
    for block in plan:
        outputs = round_channels(block.channels * alpha)
        made.append(
            inverted_residual(
                inputs,
                round_channels(inputs * block.expansion),
                outputs,
                kernel=block.kernel,
                stride=block.stride,
                activation=nn.Hardswish if block.swish else nn.ReLU,
                squeeze=block.squeeze,
                fused=block.fused,
                skip=block.skip,
            )
        )
        inputs = outputs
    return made, inputs


def mobilenet_v3(
    plan: Sequence[BlockShape], last: int, alpha: float, classes: int, minimalistic: bool
) -> nn.Sequential:
    """Stem, blocks, a 1x1 convolution to six times their channels, a dense layer of `last` units, the classes.

    The dense layer keeps its width under multipliers below 1. `minimalistic` is slim's variant without
    squeeze-excite, hard swish and 5x5 kernels.
    """
    if minimalistic:
        plan = [block._replace(kernel=3, squeeze=False, swish=False) for block in plan]
    activation: type[nn.Module] = nn.ReLU if minimalistic else nn.Hardswish
    stem = round_channels(16 * alpha)
    body, channels = blocks(stem, plan, alpha)
    wide = round_channels(6 * plan[-1].channels * alpha)
    hidden = round_channels(last * max(1.0, alpha))
    return named(
        stem=ConvNorm(3, stem, 3, stride=2, activation=activation),
        blocks=nn.Sequential(*body),
        last=ConvNorm(channels, wide, activation=activation),
        hidden=classifier(wide, hidden),
        activation=activation(),
        scores=nn.Linear(hidden, classes),
    )


def mobilenet_v3_large(alpha: float = 1.0, classes: int = 1001, minimalistic: bool = False) -> nn.Sequential:
    """MobileNetV3-Large for images of 224 x 224 (any size works); scores, no softmax."""
    return mobilenet_v3(LARGE, 1280, alpha, classes, minimalistic)


def mobilenet_v3_small(alpha: float = 1.0, classes: int = 1001, minimalistic: bool = False) -> nn.Sequential:
    """MobileNetV3-Small for images of 224 x 224 (any size works); scores, no softmax."""
    return mobilenet_v3(SMALL, 1024, alpha, classes, minimalistic)


def mobilenet_edgetpu(alpha: float = 1.0, classes: int = 1001) -> nn.Sequential:
    """MobileNetEdgeTPU for images of 224 x 224: fused convolutions early, neither gates nor swish.

    The last convolution keeps its 1280 channels under width multipliers, as in the published 0.75 version.
    """
    stem = round_channels(32 * alpha)
    body, channels = blocks(stem, _EDGETPU, alpha)
    return named(
        stem=ConvNorm(3, stem, 3, stride=2, activation=nn.ReLU),
        blocks=nn.Sequential(*body),
        last=ConvNorm(channels, 1280, activation=nn.ReLU),
        head=classifier(1280, classes),
    )
