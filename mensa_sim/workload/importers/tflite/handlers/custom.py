"""Custom TFLite operators whose meaning their authors published; any other is charged its traffic and named."""

import struct
from collections.abc import Mapping

from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler
from mensa_sim.workload.importers.tflite.handlers.layers import convolve, transposed_weight
from mensa_sim.workload.operators.detection import detections
from mensa_sim.workload.operators.sampling import TAPS

_PADDING_AND_STRIDES = struct.Struct("<3i")
"""How TfLiteTransposeConvParams begins (TFLite's c/builtin_op_data.h): padding, stride of columns, stride of rows."""
_DETECTIONS = 10
"""Boxes of a file that states no shape for them: the default of TensorFlow's exporter."""
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
    """TFLite's own: boxes [1, N, 4], scores [1, N, classes], anchors."""
    shown = call.result.shape
    detections(
        call,
        boxes=call.tensor(0),
        scores=call.tensor(1),
        anchors=call.operands[2:3],
        kept=shown[1] if len(shown) > 1 else _DETECTIONS,
        outputs=call.outputs,
    )


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
