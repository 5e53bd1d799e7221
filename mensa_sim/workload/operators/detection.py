"""How detectors end, as TensorFlow Lite's kernels/detection_postprocess.cc runs it where a box has one class.

Each box is decoded, the best class of each anchor is found, all anchors are sorted by it, and each box that is kept
is compared with all. Those that a better one has suppressed are few beside thousands of anchors, so none is left out.
"""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.reduction import comparisons, reduction

_PER_COORDINATE = 3
"""A coordinate is scaled, and added to its anchor's or raised and multiplied by its size."""
_PER_PAIR = 12
"""Of boxes: four comparisons for the overlap, two areas and the common one, a sum, a quotient, a comparison."""


def suppression(spot: Spot, *, boxes: int, kept: int, reads: tuple[Tensor, ...], writes: tuple[Tensor, ...]) -> None:
    """So many boxes in the order of their scores, each that is kept compared with all."""
    operations = boxes * (comparisons(boxes) + kept * _PER_PAIR)
    spot.add("sort", reads=reads, writes=writes, vector_ops=operations)


def detections(
    spot: Spot, *, boxes: Tensor, scores: Tensor, anchors: tuple[Tensor, ...], kept: int, outputs: tuple[Tensor, ...]
) -> None:
    """Boxes (1, N, 4) and scores (1, N, classes) to so many boxes that do not overlap; hosts run it."""
    *before, _ = scores.shape
    decoded, best = spot.new("boxes", boxes.shape), spot.new("best", before)
    spot.add("exp", reads=(boxes, *anchors), writes=(decoded,), vector_ops=_PER_COORDINATE * boxes.elements)
    reduction(spot, operator="topk", operands=(scores,), outputs=(best,))
    made = tuple(spot.builder.tensor(each.id) for each in (best, decoded))
    suppression(spot, boxes=best.elements, kept=kept, reads=made, writes=outputs)


def _detections(call: Call) -> None:
    boxes, scores = call.tensor("boxes"), call.tensor("scores")
    detections(call, boxes=boxes, scores=scores, anchors=(), kept=call["kept"], outputs=call.results)


HANDLERS: Mapping[str, Handler] = {"mensa_sim.detections": _detections}
