"""How detectors end, as TensorFlow Lite's kernels/detection_postprocess.cc runs it where a box has one class.

Each box is decoded, the best class of each anchor is found, all anchors are sorted by it, and each box that is kept
is compared with all. Those that a better one has suppressed are few beside thousands of anchors, so none is left out.
"""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.reduction import comparisons, reduction

_PER_COORDINATE = 3
"""A coordinate is scaled, and added to its anchor's or raised and multiplied by its size."""
_PER_PAIR = 12
"""Of boxes: four comparisons for the overlap, two areas and the common one, a sum, a quotient, a comparison."""


def suppression(
    spot: Spot, *, boxes: int, kept: int, reads: tuple[Tensor, ...], writes: tuple[Tensor, ...], images: int = 1
) -> None:
    """So many boxes of an image in the order of their scores, each that is kept compared with all."""
    operations = images * boxes * (comparisons(boxes) + kept * _PER_PAIR)
    spot.add("sort", reads=reads, writes=writes, vector_ops=operations)


def detections(
    spot: Spot, *, boxes: Tensor, scores: Tensor, anchors: tuple[Tensor, ...], kept: int, outputs: tuple[Tensor, ...]
) -> None:
    """Boxes (batch, N, 4) and scores (batch, N, classes) to so many that do not overlap of each image; hosts run it."""
    *batch, places, _ = scores.shape
    decoded, best = spot.new("boxes", boxes.shape), spot.new("best", (*batch, places))
    spot.add("exp", reads=(boxes, *anchors), writes=(decoded,), vector_ops=_PER_COORDINATE * boxes.elements)
    reduction(spot, operator="topk", operands=(scores,), outputs=(best,))
    made = tuple(spot.builder.tensor(each.id) for each in (best, decoded))
    suppression(spot, boxes=places, kept=kept, reads=made, writes=outputs, images=math.prod(batch))


def _detections(call: Call) -> None:
    boxes, scores = call.tensor("boxes"), call.tensor("scores")
    detections(call, boxes=boxes, scores=scores, anchors=(), kept=call["kept"], outputs=call.results)


HANDLERS: Mapping[str, Handler] = {"mensa_sim.detections": _detections}
