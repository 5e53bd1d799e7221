"""Custom TFLite operators whose meaning their authors published; any other is charged its traffic and named."""

import struct
from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, channels_first
from mensa_sim.workload.operators.convolution import transposed_convolution

_PADDING_AND_STRIDES = struct.Struct("<3i")
"""How TfLiteTransposeConvParams begins (TFLite's c/builtin_op_data.h): padding, stride of columns, stride of rows."""


def _transposed_with_bias(call: TfliteCall) -> None:
    """MediaPipe's operations/transpose_conv_bias.cc: data, weights [K, rows, columns, C], bias."""
    if len(call.source.custom_options) < _PADDING_AND_STRIDES.size:
        call.unsupported()
        return
    _, columns, rows = _PADDING_AND_STRIDES.unpack_from(call.source.custom_options)
    stored = call.parameter(1)
    outputs, *taps, channels = stored.shape
    transposed_convolution(
        call.builder,
        call.site,
        data=channels_first(call.tensor(0)),
        weight=replace(stored, shape=(channels, outputs, *taps)),
        bias=call.optional(2),
        output=channels_first(call.result),
        stride=(rows, columns),
        dilation=(1, 1),
    )


HANDLERS: Mapping[str, TfliteHandler] = {"Convolution2DTransposeBias": _transposed_with_bias}
