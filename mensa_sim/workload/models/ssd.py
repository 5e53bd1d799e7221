"""Single-shot detectors on MobileNet trunks (Liu et al. 2016, arXiv 1512.02325), as in TensorFlow's detection API."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mensa_sim.workload.models.blocks import ConvNorm, Taps, cut, cut_at_expansions, per_anchor, same_padding
from mensa_sim.workload.models.mobilenet_v1 import mobilenet_v1_channels, mobilenet_v1_trunk
from mensa_sim.workload.models.mobilenet_v2 import mobilenet_v2_trunk

EXTRA_CHANNELS = (512, 256, 256, 128)
ANCHORS = (3, 6, 6, 6, 6, 6)
MOST_SHARED = 0.6
"""Boxes that share more of their area are one (`iou_threshold` of TensorFlow's detection configurations)."""


class SSD(nn.Module):
    """A trunk, four extra strided stages, and a box and a class head on each of six activations.

    Raw heads, or the `detections` best boxes that do not overlap, as deployed models end (TensorFlow Lite's detection
    post-processing). `alpha` narrows the extra stages, as TensorFlow does those of a narrower trunk.
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
        alpha: float = 1.0,
    ) -> None:
        super().__init__()
        self.detections = detections
        self.trunk = trunk
        extras = []
        sizes = list(channels)
        for outputs in (round(alpha * each) for each in EXTRA_CHANNELS):
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

        With `detections` n: boxes (batch, n, 4), their scores and classes (batch, n).
        """
        maps: list[Tensor] = self.trunk(x)
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        boxes, scores = per_anchor(self.boxes, maps, 4), per_anchor(self.scores, maps, self.classes)
        found = torch.cat(boxes, dim=1), torch.cat(scores, dim=1)
        return found if self.detections is None else best_boxes(*found, self.detections)


@torch.library.custom_op("mensa_sim::detections", mutates_args=())
def best_boxes(boxes: Tensor, scores: Tensor, kept: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each image corners of the best boxes that do not overlap, (batch, kept, 4), their scores and their classes.

    Boxes (batch, anchors, 4) are centres and logarithms of sizes, as if each anchor had its centre at the origin and a
    side of one.
    """
    corners, best, classes = zip(*(_of_image(*image, kept) for image in zip(boxes, scores, strict=True)), strict=True)
    return torch.stack(corners), torch.stack(best), torch.stack(classes)


def _of_image(boxes: Tensor, scores: Tensor, kept: int) -> tuple[Tensor, Tensor, Tensor]:
    centres, halves = boxes[:, :2], boxes[:, 2:].exp() / 2
    corners = torch.cat((centres - halves, centres + halves), dim=-1)
    best, classes = scores.max(dim=-1)
    left, chosen = best.clone(), []
    for _ in range(kept):
        chosen.append(left.argmax())
        left[shared_area(corners[chosen[-1]], corners) > MOST_SHARED] = -torch.inf
    places = torch.stack(chosen)
    return corners[places], best[places], classes[places]


@best_boxes.register_fake
def _shapes(boxes: Tensor, scores: Tensor, kept: int) -> tuple[Tensor, Tensor, Tensor]:
    shape = (len(boxes), kept)
    return boxes.new_empty((*shape, 4)), scores.new_empty(shape), boxes.new_empty(shape, dtype=torch.int64)


def shared_area(box: Tensor, boxes: Tensor) -> Tensor:
    """Of a box (4) and each of others (n, 4), given by corners, the common area as a share of that of both."""
    sides = (torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2])).clamp(min=0)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=-1)
    common = sides.prod(dim=-1)
    return common / ((box[2:] - box[:2]).prod() + areas - common)


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
        alpha=alpha,
    )


def ssd_mobilenet_v2(classes: int = 91, lite: bool = False, detections: int | None = None) -> SSD:
    """SSD-MobileNetV2 for COCO: taps at the expansion of block 14 and at the last 1280-channel activation.

    1x1 heads as in the quantised configuration that Edge TPU models are made from
    (`ssd_mobilenet_v2_quantized_300x300_coco`); `lite` is SSDLite with separable 3x3 heads.
    """
    trunk = nn.Sequential(*mobilenet_v2_trunk(), ConvNorm(320, 1280))
    taps = cut_at_expansions(trunk, [14])
    return SSD(taps, [576, 1280], classes, head_kernel=3 if lite else 1, depthwise=lite, detections=detections)
