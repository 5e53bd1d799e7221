"""TFLite operators that multiply: convolutions and matrix products. Weights are [K, *taps, C] there."""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, channels_first
from mensa_sim.workload.operators.convolution import convolution, transposed_convolution
from mensa_sim.workload.operators.matrix import linear, matmul


def _convolution(call: TfliteCall) -> None:
    """Groups are as many as the weight's input channels divide those of the data."""
    weight = channels_first(call.parameter(1))
    _convolve(call, weight, groups=_groups(call.tensor(0), weight.shape[1]))


def _depthwise(call: TfliteCall) -> None:
    """Weights [1, rows, columns, channels * multiplier]: one group for each channel of the data."""
    stored = call.parameter(1)
    _, rows, columns, outputs = stored.shape
    _convolve(call, replace(stored, shape=(outputs, 1, rows, columns)), groups=call.tensor(0).shape[-1])


def _groups(data: Tensor, channels: int) -> int:
    return max(1, data.shape[-1] // channels)


def _convolve(call: TfliteCall, weight: Tensor, *, groups: int, axes: str = "HW") -> None:
    convolution(
        call,
        data=channels_first(call.tensor(0)),
        weight=weight,
        bias=call.optional_parameter(2),
        output=channels_first(call.before_activation()),
        stride=_along(call, "Stride{}", axes),
        dilation=call.dilation or _along(call, "Dilation{}Factor", axes),
        groups=groups,
    )
    call.activate()


def _convolution_3d(call: TfliteCall) -> None:
    """Weights [depth, rows, columns, C, K]."""
    stored = call.parameter(1)
    *taps, channels, outputs = stored.shape
    weight = replace(stored, shape=(outputs, channels, *taps))
    _convolve(call, weight, groups=_groups(call.tensor(0), channels), axes="DHW")


def _transposed(call: TfliteCall) -> None:
    """Inputs: shape of the result, weights [K, rows, columns, C], data, bias; the schema has no dilation of it."""
    transpose(call, transposed_weight(call), data=2, stride=_along(call, "Stride{}", "HW"), dilation=(1, 1))


def _transposed_3d(call: TfliteCall) -> None:
    """Inputs: shape of the result, weights [depth, rows, columns, K, C], data, bias."""
    stored = call.parameter(1)
    *taps, outputs, channels = stored.shape
    weight = replace(stored, shape=(channels, outputs, *taps))
    stride, dilation = _along(call, "Stride{}", "DHW"), _along(call, "Dilation{}Factor", "DHW")
    transpose(call, weight, data=2, stride=stride, dilation=dilation)


def transposed_weight(call: TfliteCall) -> Tensor:
    """Weights [K, rows, columns, C] as those of a transposed convolution: [C, K, rows, columns]."""
    stored = call.parameter(1)
    outputs, *taps, channels = stored.shape
    return replace(stored, shape=(channels, outputs, *taps))


def transpose(
    call: TfliteCall, weight: Tensor, *, data: int, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> None:
    """A transposed convolution and its activation; its bias stands behind `data` or, before that, the weights."""
    transposed_convolution(
        call,
        data=channels_first(call.tensor(data)),
        weight=weight,
        bias=call.optional_parameter(max(data, 1) + 1),
        output=channels_first(call.before_activation()),
        stride=stride,
        dilation=dilation,
    )
    call.activate()


def _along(call: TfliteCall, option: str, axes: str) -> tuple[int, ...]:
    """An option that the schema has for each axis, by the axis's letter."""
    return tuple(call.option(option.format(axis)) for axis in axes)


def _fully_connected(call: TfliteCall) -> None:
    weight = call.parameter(1)
    if weight.constant is not None:
        linear(
            call,
            data=call.tensor(0),
            weight=weight,
            bias=call.optional_parameter(2),
            output=call.before_activation(),
        )
    else:
        columns, depth = weight.shape
        rows = call.tensor(0).elements // depth
        matmul(
            call,
            left=replace(call.tensor(0), shape=(rows, depth)),
            right=replace(weight, shape=(depth, columns)),
            output=call.before_activation(),
            addend=call.optional_parameter(2),
        )
    call.activate()


def _batch_matmul(call: TfliteCall) -> None:
    left, right = call.parameter(0), call.parameter(1)
    matmul(
        call,
        left=_adjoint(left) if call.option("AdjX", False) else left,
        right=_adjoint(right) if call.option("AdjY", False) else right,
        output=call.result,
    )


def _adjoint(tensor: Tensor) -> Tensor:
    *batch, rows, columns = tensor.shape
    return replace(tensor, shape=(*batch, columns, rows))


HANDLERS: Mapping[str, TfliteHandler] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "CONV_3D": _convolution_3d,
    "TRANSPOSE_CONV": _transposed,
    "CONV_3D_TRANSPOSE": _transposed_3d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
}
