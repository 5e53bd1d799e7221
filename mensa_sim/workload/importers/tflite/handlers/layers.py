"""TFLite operators that multiply: convolutions and matrix products. Weights are [K, *taps, C] there."""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, channels_first
from mensa_sim.workload.operators.convolution import convolution
from mensa_sim.workload.operators.matrix import linear, matmul


def _convolution(call: TfliteCall) -> None:
    weight = channels_first(call.parameter(1))
    convolve(call, weight, groups=_groups(call, weight), dilated=True)


def _depthwise(call: TfliteCall) -> None:
    """Weights [1, rows, columns, channels * multiplier]: one group for each channel of the data."""
    stored = call.parameter(1)
    _, rows, columns, outputs = stored.shape
    weight = replace(stored, shape=(outputs, 1, rows, columns))
    convolve(call, weight, groups=call.tensor(0).shape[-1], dilated=True)


def _convolution_3d(call: TfliteCall) -> None:
    """Weights [depth, rows, columns, C, K]."""
    stored = call.parameter(1)
    *taps, channels, outputs = stored.shape
    weight = replace(stored, shape=(outputs, channels, *taps))
    convolve(call, weight, groups=_groups(call, weight), axes="DHW", dilated=True)


def _groups(call: TfliteCall, weight: Tensor) -> int:
    """As many as the weight's input channels divide those of the data."""
    return max(1, call.tensor(0).shape[-1] // weight.shape[1])


def _transposed_3d(call: TfliteCall) -> None:
    """Inputs: shape of the result, weights [depth, rows, columns, K, C], data, bias."""
    stored = call.parameter(1)
    *taps, outputs, channels = stored.shape
    weight = replace(stored, shape=(channels, outputs, *taps))
    convolve(call, weight, data=2, axes="DHW", dilated=True, transposed=True)


def transposed_weight(call: TfliteCall) -> Tensor:
    """Weights [K, rows, columns, C] as those of a transposed convolution: [C, K, rows, columns]."""
    stored = call.parameter(1)
    outputs, *taps, channels = stored.shape
    return replace(stored, shape=(channels, outputs, *taps))


def convolve(
    call: TfliteCall,
    weight: Tensor,
    *,
    data: int = 0,
    groups: int = 1,
    axes: str = "HW",
    stride: tuple[int, ...] = (),
    dilated: bool = False,
    transposed: bool = False,
) -> None:
    """A convolution and its activation; its bias stands behind `data` or, before that, the weights.

    The options have a stride for each axis, where none is given, and a dilation where it may be `dilated`.
    """
    convolution(
        call,
        data=channels_first(call.tensor(data)),
        weight=weight,
        bias=call.optional_parameter(max(data, 1) + 1),
        output=channels_first(call.before_activation()),
        stride=stride or [call.option(f"Stride{axis}") for axis in axes],
        dilation=call.dilation or [call.option(f"Dilation{axis}Factor") if dilated else 1 for axis in axes],
        groups=groups,
        transposed=transposed,
    )
    call.activate()


def _fully_connected(call: TfliteCall) -> None:
    data, weight, bias, output = call.tensor(0), call.parameter(1), call.optional_parameter(2), call.before_activation()
    if weight.constant is not None:
        linear(call, data=data, weight=weight, bias=bias, output=output)
    else:
        columns, depth = weight.shape
        left = replace(data, shape=(data.elements // depth, depth))
        matmul(call, left=left, right=replace(weight, shape=(depth, columns)), output=output, addend=bias)
    call.activate()


def _batch_matmul(call: TfliteCall) -> None:
    left, right = (_turned(call, at, option) for at, option in enumerate(("AdjX", "AdjY")))
    matmul(call, left=left, right=right, output=call.result)


def _turned(call: TfliteCall, at: int, option: str) -> Tensor:
    """An operand, its last two axes exchanged where the option says so."""
    tensor = call.parameter(at)
    *batch, rows, columns = tensor.shape
    return replace(tensor, shape=(*batch, columns, rows)) if call.option(option, False) else tensor


HANDLERS: Mapping[str, TfliteHandler] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "CONV_3D": _convolution_3d,
    # Inputs: shape of the result, weights [K, rows, columns, C], data, bias; the schema has no dilation of it.
    "TRANSPOSE_CONV": lambda call: convolve(call, transposed_weight(call), data=2, transposed=True),
    "CONV_3D_TRANSPOSE": _transposed_3d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
}
