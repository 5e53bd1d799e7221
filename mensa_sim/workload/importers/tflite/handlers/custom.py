"""Custom TFLite operators whose meaning their authors published; any other is charged its traffic and named."""

import struct
from collections.abc import Mapping

from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler
from mensa_sim.workload.importers.tflite.handlers.layers import convolve, transposed_weight
from mensa_sim.workload.importers.tflite.handlers.vectors import OPERATIONS_PER_PAIR
from mensa_sim.workload.operators.reduction import reduction
from mensa_sim.workload.operators.sampling import TAPS

_PADDING_AND_STRIDES = struct.Struct("<3i")
"""How TfLiteTransposeConvParams begins (TFLite's c/builtin_op_data.h): padding, stride of columns, stride of rows."""
_DETECTIONS = 10
"""Boxes of a file that states no shape for them: the default of TensorFlow's exporter."""
_PER_COORDINATE = 3
"""A coordinate is scaled, and added to its anchor's or raised and multiplied by its size."""
_NEIGHBOURS = 9
"""Comparisons with a threshold and eight neighbours."""


def _transposed_with_bias(call: TfliteCall) -> None:
    """MediaPipe's operations/transpose_conv_bias.cc: data, weights [K, rows, columns, C], bias."""
    if len(call.source.custom_options) < _PADDING_AND_STRIDES.size:
        call.unsupported()
        return
    _, columns, rows = _PADDING_AND_STRIDES.unpack_from(call.source.custom_options)
    convolve(call, transposed_weight(call), stride=(rows, columns), transposed=True)


def _detections(call: TfliteCall) -> None:
    """TFLite's kernels/detection_postprocess.cc, which hosts run: boxes [1, N, 4], scores [1, N, classes], anchors.

    Each box is decoded, the best class of each anchor and the best anchors are found, and those that overlap are
    suppressed, pair by pair.
    """
    boxes, scores = call.tensor(0), call.tensor(1)
    shown = call.result.shape
    kept, anchors = (shown[1] if len(shown) > 1 else _DETECTIONS), scores.shape[-2]
    decoded, best = call.new("boxes", boxes.shape), call.new("best", (anchors,))
    reads = call.operands[:1] + call.operands[2:3]
    call.add("exp", reads=reads, writes=(decoded,), vector_ops=_PER_COORDINATE * boxes.elements)
    reduction(call, operator="topk", operands=(scores,), outputs=(best,))
    pairs = kept * (kept - 1) // 2
    found = anchors * max(1, (kept - 1).bit_length()) + OPERATIONS_PER_PAIR * pairs
    made = tuple(call.builder.tensor(each.id) for each in (best, decoded))
    call.add("topk", reads=made, vector_ops=found)


def _poses(call: TfliteCall) -> None:
    """Coral's posenet_decoder_op.cc, which hosts run: heatmaps [1, rows, columns, parts], two maps of offsets.

    Each point is compared with its neighbours; each part of each pose is found by two samples of the offsets.
    """
    heatmap, parts = call.tensor(0), call.outputs[0].elements // 2
    samples = 2 * (2 * TAPS["bilinear"] - 1) * parts
    call.add("pose_decoder", vector_ops=_NEIGHBOURS * heatmap.elements + samples)


HANDLERS: Mapping[str, TfliteHandler] = {
    "Convolution2DTransposeBias": _transposed_with_bias,
    "TFLite_Detection_PostProcess": _detections,
    "PosenetDecoderOp": _poses,
}
