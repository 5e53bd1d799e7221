"""Single-shot detectors on MobileNet trunks (Liu et al. 2016, arXiv 1512.02325), as in TensorFlow's detection API."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mensa_sim.workload.models.blocks import ConvNorm, Taps, cut, cut_at_expansions, per_anchor, same_padding
from mensa_sim.workload.models.mobilenet_v1 import mobilenet_v1_channels, mobilenet_v1_trunk
from mensa_sim.workload.models.mobilenet_v2 import mobilenet_v2_trunk

EXTRA_CHANNELS = (512, 256, 256, 128)
ANCHORS = (3, 6, 6, 6, 6, 6)


class SSD(nn.Module):
    """A trunk, four extra strided stages, and a box and a class head on each of six activations.

    Raw heads, or so many `detections`: each anchor's best class, the best anchors, and the sizes of all boxes, as
    deployed models end (TensorFlow Lite's detection post-processing, without the suppression of overlapping ones).
    `depthwise` makes extra stages and heads depthwise-separable, which is SSDLite (Sandler et al. 2018, section 6.2).
    """

    def __init__(
        self,
        trunk: Taps,
        channels: Sequence[int],
        classes: int = 91,
        head_kernel: int = 1,
        depthwise: bool = False,
        detections: int | None = None,
    ) -> None:
        super().__init__()
        self.detections = detections
        self.trunk = trunk
        extras = []
        sizes = list(channels)
        for outputs in EXTRA_CHANNELS:
            extras.append(extra_stage(sizes[-1], outputs, depthwise))
            sizes.append(outputs)
        self.extras = nn.ModuleList(extras)
        self.classes = classes
        self.boxes, self.scores = (
            nn.ModuleList(
                head(inputs, values * anchors, head_kernel, depthwise)
                for inputs, anchors in zip(sizes, ANCHORS, strict=True)
            )
            for values in (4, classes)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images (batch, 3, 300, 300) to boxes (batch, 1917, 4) and class scores (batch, 1917, classes).

        With `detections` n: boxes, scores of the best (batch, n), and which anchors and classes they are.
        """
        maps: list[Tensor] = self.trunk(x)
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        boxes, scores = per_anchor(self.boxes, maps, 4), per_anchor(self.scores, maps, self.classes)
        found = torch.cat(boxes, dim=1), torch.cat(scores, dim=1)
        return found if self.detections is None else best_of(*found, self.detections)


def best_of(boxes: Tensor, scores: Tensor, count: int) -> tuple[Tensor, ...]:
    """Boxes with their sizes decoded, then score, anchor and class of the best anchors."""
    decoded = torch.cat((boxes[..., :2], boxes[..., 2:].exp()), dim=-1)
    best, classes = scores.topk(1, dim=-1)
    chosen, anchors = best.squeeze(-1).topk(count, dim=-1)
    return decoded, chosen, anchors, classes


def extra_stage(inputs: int, outputs: int, depthwise: bool) -> nn.Sequential:
    """A 1x1 convolution to half the outputs and a strided 3x3 one."""
    half = outputs // 2
    if not depthwise:
        return nn.Sequential(ConvNorm(inputs, half), ConvNorm(half, outputs, 3, stride=2))
    return nn.Sequential(
        ConvNorm(inputs, half), ConvNorm(half, half, 3, stride=2, groups=half), ConvNorm(half, outputs)
    )


def head(inputs: int, outputs: int, kernel: int, depthwise: bool) -> nn.Module:
    """The convolution that predicts from one activation; separable where `depthwise` holds."""
    if not depthwise:
        return nn.Conv2d(inputs, outputs, kernel, padding=same_padding(kernel))
    return nn.Sequential(ConvNorm(inputs, inputs, kernel, groups=inputs), nn.Conv2d(inputs, outputs, 1))


def ssd_mobilenet_v1(alpha: float = 1.0, classes: int = 91, detections: int | None = None) -> SSD:
    """SSD-MobileNetV1 for COCO: taps after pointwise convolutions 11 and 13, 1x1 heads."""
    return SSD(
        cut(mobilenet_v1_trunk(alpha), [12]),
        [mobilenet_v1_channels(alpha, 512), mobilenet_v1_channels(alpha, 1024)],
        classes,
        detections=detections,
    )


def ssd_mobilenet_v2(classes: int = 91, lite: bool = False, detections: int | None = None) -> SSD:
    """SSD-MobileNetV2 for COCO: taps at the expansion of block 14 and at the last 1280-channel activation.

    1x1 heads as in the quantised configuration that Edge TPU models are made from
    (`ssd_mobilenet_v2_quantized_300x300_coco`); `lite` is SSDLite with separable 3x3 heads.
    """
    trunk = nn.Sequential(*mobilenet_v2_trunk(), ConvNorm(320, 1280))
    taps = cut_at_expansions(trunk, [14])
    return SSD(taps, [576, 1280], classes, head_kernel=3 if lite else 1, depthwise=lite, detections=detections)
