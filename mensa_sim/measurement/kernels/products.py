"""Kernels with a loop nest: matrix products and convolutions."""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from mensa_sim.cost.measured.table import Kernel
from mensa_sim.measurement.random_tensors import RandomTensors
from mensa_sim.measurement.stopwatch import Run
from mensa_sim.workload.dims import window_span
from mensa_sim.workload.layer import LoopNest


def nest_of(kernel: Kernel) -> LoopNest:
    """The kernel's nest; `ValueError` where it has none."""
    if kernel.nest is None:
        raise ValueError(f"{kernel.operator} has no loop nest")
    return kernel.nest


def _linear(kernel: Kernel, tensors: RandomTensors) -> Run:
    """Rows [B*OY*OX, C] times a weight [K, C]; groups are a batch of products."""
    nest = nest_of(kernel)
    if nest.G > 1:
        return _matmul(kernel, tensors)
    rows = tensors.normal(nest.B * nest.OY * nest.OX, nest.C * nest.FY * nest.FX)
    weight = tensors.normal(nest.K, nest.C * nest.FY * nest.FX)
    if kernel.dtype == "int8":
        return lambda: torch._int_mm(rows, weight.t())
    return lambda: functional.linear(rows, weight)


def _matmul(kernel: Kernel, tensors: RandomTensors) -> Run:
    """G products of [rows, C] and [C, K]."""
    nest = nest_of(kernel)
    rows = tensors.normal(nest.G, nest.B * nest.OY * nest.OX, nest.C * nest.FY * nest.FX)
    weight = tensors.normal(nest.G, nest.C * nest.FY * nest.FX, nest.K)
    return lambda: torch.bmm(rows, weight)


def _convolution(kernel: Kernel, tensors: RandomTensors) -> Run:
    """A two-dimensional convolution; the padding is what the output's size asks for.

    Where that is not the same on both sides, the rows and columns that miss are part of the input. A one- or
    three-dimensional layer, or a transposed one, is run as the two-dimensional one that its nest describes.
    """
    nest = nest_of(kernel)
    pad_y, extra_y = _padding(nest.OY, nest.FY, nest.stride_y, nest.dilation_y, nest.input_height)
    pad_x, extra_x = _padding(nest.OX, nest.FX, nest.stride_x, nest.dilation_x, nest.input_width)
    data = tensors.normal(nest.B, nest.G * nest.C, nest.input_height + extra_y, nest.input_width + extra_x)
    weight = tensors.normal(nest.G * nest.K, nest.C, nest.FY, nest.FX)
    stride, dilation = (nest.stride_y, nest.stride_x), (nest.dilation_y, nest.dilation_x)
    return lambda: functional.conv2d(
        data, weight, stride=stride, padding=(pad_y, pad_x), dilation=dilation, groups=nest.G
    )


def _padding(outputs: int, taps: int, stride: int, dilation: int, size: int) -> tuple[int, int]:
    """Padding on both sides and rows added to the input, so that exactly `outputs` come out.

    >>> _padding(outputs=112, taps=3, stride=2, dilation=1, size=224)
    (1, 0)
    >>> _padding(outputs=8, taps=2, stride=1, dilation=1, size=8)
    (0, 1)
    """
    needed = window_span(outputs, taps, stride, dilation)
    for pad in {0, max(0, -(-(needed - size) // 2))}:
        if (size + 2 * pad - window_span(1, taps, stride, dilation)) // stride + 1 == outputs:
            return pad, 0
    return 0, needed - size


PRODUCTS: Mapping[str, Callable[[Kernel, RandomTensors], Run]] = {
    "linear": _linear,
    "matmul": _matmul,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _convolution),
}
