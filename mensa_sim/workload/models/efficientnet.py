"""EfficientNet-Lite and EfficientNet-EdgeTPU (Tan and Le 2019, arXiv 1905.11946, without squeeze-excite).

Lite: Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, March 2020. EdgeTPU: Gupta and
Tan, "EfficientNet-EdgeTPU: Creating Accelerator-Optimized Neural Networks with AutoML", Google AI blog, August 2019.
Block tables as in the repository tensorflow/tpu, models/official/efficientnet.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from mensa_sim.io.files import read_record
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.workload.models.blocks import ConvNorm, classifier, inverted_residual, named, round_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class StageShape:
    """Equal blocks; the first of them has the stride and expands as if `inputs` channels entered."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    inputs: int
    channels: int
    fused: bool = False
    skip: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlans:
    """What `efficientnet.yaml` holds."""

    lite: tuple[StageShape, ...]
    edgetpu: tuple[StageShape, ...]


STAGE_PLANS = read_record(Path(__file__).with_name("efficientnet.yaml"), StagePlans)
# Width and depth multipliers; published at 224, 240, 260, 280 and 300 pixels.
LITE_SCALES = {"0": (1.0, 1.0), "1": (1.0, 1.1), "2": (1.1, 1.2), "3": (1.2, 1.4), "4": (1.4, 1.8)}
# Published at 224, 240 and 300 pixels.
EDGETPU_SCALES = {"s": (1.0, 1.0), "m": (1.0, 1.1), "l": (1.2, 1.4)}


def stages(inputs: int, plan: Sequence[StageShape], width: float, activation: type[nn.Module]) -> nn.Sequential:
    """The blocks of a plan whose repeats are final, under a width multiplier."""
    made: list[nn.Module] = []
    for stage in plan:
        outputs = round_channels(stage.channels * width)
        for repeat in range(stage.repeats):
            nominal = outputs if repeat else round_channels(stage.inputs * width)
            expanded = inputs if stage.expansion == 1 else nominal * stage.expansion
            made.append(
                inverted_residual(
                    inputs,
                    expanded,
                    outputs,
                    kernel=stage.kernel,
                    stride=stage.stride if repeat == 0 else 1,
                    activation=activation,
                    fused=stage.fused,
                    late_stride=stage.fused,
                    skip=stage.skip,
                )
            )
            inputs = outputs
    return nn.Sequential(*made)


def efficientnet(
    stem: int, plan: Sequence[StageShape], width: float, last: int, activation: type[nn.Module], classes: int
) -> nn.Sequential:
    """Stem, stages, last convolution, classifier."""
    return named(
        stem=ConvNorm(3, stem, 3, stride=2, activation=activation),
        blocks=stages(stem, plan, width, activation),
        last=ConvNorm(round_channels(plan[-1].channels * width), last, activation=activation),
        head=classifier(last, classes),
    )


def efficientnet_lite(variant: int = 0, classes: int = 1000) -> nn.Sequential:
    """EfficientNet-Lite0 to 4: stem, head, first and last stage are not scaled; scores, no softmax."""
    width, depth = lookup(LITE_SCALES, str(variant), "EfficientNet-Lite")
    middle = [replace(stage, repeats=math.ceil(stage.repeats * depth)) for stage in STAGE_PLANS.lite[1:-1]]
    return efficientnet(32, [STAGE_PLANS.lite[0], *middle, STAGE_PLANS.lite[-1]], width, 1280, nn.ReLU6, classes)


def efficientnet_edgetpu(variant: str = "s", classes: int = 1001) -> nn.Sequential:
    """EfficientNet-EdgeTPU S, M and L; scores, no softmax."""
    width, depth = lookup(EDGETPU_SCALES, variant, "EfficientNet-EdgeTPU")
    plan = [replace(stage, repeats=math.ceil(stage.repeats * depth)) for stage in STAGE_PLANS.edgetpu]
    return efficientnet(round_channels(32 * width), plan, width, round_channels(1280 * width), nn.ReLU, classes)
