"""MobileNetV3 and MobileNetEdgeTPU, as in TensorFlow's slim.

MobileNetV3: Howard et al. 2019, arXiv 1905.02244, tables 1 and 2. MobileNetEdgeTPU: Howard and Gupta, "Introducing the
Next Generation of On-Device Vision Models: MobileNetV3 and MobileNetEdgeTPU", Google AI blog, November 2019.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from mensa_sim.io.files import read_record
from mensa_sim.records import dataclass
from mensa_sim.workload.models.blocks import ConvNorm, classifier, inverted_residual, named, round_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShape:
    """One inverted residual block; `swish` chooses the activation, the other fields are `inverted_residual`'s."""

    expansion: float
    channels: int
    kernel: int = 3
    stride: int = 1
    squeeze: bool = False
    swish: bool = False
    fused: bool = False
    skip: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlans:
    """What `mobilenet_v3.yaml` holds."""

    large: tuple[BlockShape, ...]
    small: tuple[BlockShape, ...]
    edgetpu: tuple[BlockShape, ...]


BLOCK_PLANS = read_record(Path(__file__).with_name("mobilenet_v3.yaml"), BlockPlans)


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
        plan = [replace(block, kernel=3, squeeze=False, swish=False) for block in plan]
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
    return mobilenet_v3(BLOCK_PLANS.large, 1280, alpha, classes, minimalistic)


def mobilenet_v3_small(alpha: float = 1.0, classes: int = 1001, minimalistic: bool = False) -> nn.Sequential:
    """MobileNetV3-Small for images of 224 x 224 (any size works); scores, no softmax."""
    return mobilenet_v3(BLOCK_PLANS.small, 1024, alpha, classes, minimalistic)


def mobilenet_edgetpu(alpha: float = 1.0, classes: int = 1001) -> nn.Sequential:
    """MobileNetEdgeTPU for images of 224 x 224: fused convolutions early, neither gates nor swish.

    The last convolution keeps its 1280 channels under width multipliers, as in the published 0.75 version.
    """
    stem = round_channels(32 * alpha)
    body, channels = blocks(stem, BLOCK_PLANS.edgetpu, alpha)
    return named(
        stem=ConvNorm(3, stem, 3, stride=2, activation=nn.ReLU),
        blocks=nn.Sequential(*body),
        last=ConvNorm(channels, 1280, activation=nn.ReLU),
        head=classifier(1280, classes),
    )
