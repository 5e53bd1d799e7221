"""Kernels without a loop nest: elementwise work, pooling, normalisation, softmax, gathers and copies.

A layer's record holds counts, not shapes. Elements and operations are those of the layer; where a row or a window
matters it is what the counts imply.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from mensa_sim.cost.measured.kernels import BINARY
from mensa_sim.cost.measured.table import Kernel
from mensa_sim.measurement.random_tensors import RandomTensors
from mensa_sim.measurement.stopwatch import Run

Unary = Callable[[torch.Tensor], torch.Tensor]
Binary = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

UNARY: Mapping[str, Unary] = {
    name: getattr(functional, name)
    for name in (
        *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid"),
        *("hardtanh", "hardshrink", "softshrink", "softplus", "softsign", "tanhshrink"),
    )
} | {
    name: getattr(torch, name)
    for name in (
        *("sigmoid", "tanh", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"),
        *("square", "abs", "neg", "sign", "ceil", "floor", "round", "trunc", "sin", "cos", "erf"),
    )
}
_BINARY: Mapping[str, Binary] = {name: getattr(torch, name) for name in BINARY}
_REDUCTIONS: Mapping[str, Callable[[torch.Tensor, int], object]] = {
    name: getattr(torch, name) for name in ("mean", "sum", "amax", "amin", "argmax")
}


def _unary(kernel: Kernel, tensors: RandomTensors) -> Run:
    function, data = UNARY[kernel.operator], tensors.normal(kernel.output_elements)
    return lambda: function(data)


def _binary(kernel: Kernel, tensors: RandomTensors) -> Run:
    """Two operands; the second is as long as the input leaves for it, and broadcast, or a number."""
    function, count = _BINARY[kernel.operator], kernel.output_elements
    data, rest = tensors.normal(count), max(kernel.input_elements - count, kernel.parameter_elements)
    if rest >= count:
        other = tensors.normal(count)
        return lambda: function(data, other)
    if rest < 1:
        number = tensors.normal(1)
        return lambda: function(data, number)
    short = math.gcd(rest, count)
    rows, other = data.view(count // short, short), tensors.normal(short)
    return lambda: function(rows, other)


def _clamp(kernel: Kernel, tensors: RandomTensors) -> Run:
    data = tensors.normal(kernel.output_elements)
    return lambda: data.clamp(-1, 1)


def _scale_and_shift(kernel: Kernel, tensors: RandomTensors) -> Run:
    channels = math.gcd(max(1, kernel.parameter_elements // 2), kernel.output_elements)
    data = tensors.normal(channels, kernel.output_elements // channels)
    scale, shift = tensors.normal(channels, 1), tensors.normal(channels, 1)
    return lambda: torch.addcmul(shift, data, scale)


def _pool(kernel: Kernel, tensors: RandomTensors) -> Run:
    """Windows along one axis, spaced so that the input is used up: overlapping ones where the counts say so."""
    outputs, maximum = kernel.output_elements, kernel.operator.startswith("max")
    window = max(1, round(kernel.vector_ops / outputs) + maximum)
    stride = max(1, min(window, kernel.input_elements // outputs))
    data = tensors.normal(1, 1, (outputs - 1) * stride + window)
    if stride == window:
        rows = data.view(outputs, window)
        return (lambda: rows.amax(1)) if maximum else (lambda: rows.mean(1))
    pool = functional.max_pool1d if maximum else functional.avg_pool1d
    return lambda: pool(data, window, stride)


def _reduce(kernel: Kernel, tensors: RandomTensors) -> Run:
    data = tensors.normal(kernel.output_elements, max(1, kernel.input_elements // kernel.output_elements))
    function = _REDUCTIONS[kernel.operator]
    return lambda: function(data, 1)


def _softmax(kernel: Kernel, tensors: RandomTensors) -> Run:
    """Rows from the operations of a softmax: 5 per element less 2 per row, and a whole number more that it fused."""
    count = kernel.output_elements
    rows = max(1, -kernel.vector_ops % count // 2)
    data = tensors.normal(rows, count // rows) if count % rows == 0 else tensors.normal(1, count)
    function = functional.log_softmax if kernel.operator == "log_softmax" else functional.softmax
    return lambda: function(data, 1)


def _layer_norm(kernel: Kernel, tensors: RandomTensors) -> Run:
    """Rows as long as the weight, where there is one, and else one row."""
    count = kernel.output_elements
    row = math.gcd(kernel.parameter_elements // (1 if kernel.operator == "rms_norm" else 2) or count, count)
    data, weight = tensors.normal(count // row, row), tensors.normal(row)
    if kernel.operator == "rms_norm":
        return lambda: functional.rms_norm(data, (row,), weight)
    bias = tensors.normal(row)
    return lambda: functional.layer_norm(data, (row,), weight, bias)


def _embedding(kernel: Kernel, tensors: RandomTensors) -> Run:
    lookups = max(1, kernel.input_elements)
    width = max(1, kernel.output_elements // lookups)
    table = tensors.normal(max(1, kernel.parameter_elements // width), width)
    indices = tensors.indices(lookups, table.shape[0])
    return lambda: functional.embedding(indices, table)


def _gated(kernel: Kernel, tensors: RandomTensors) -> Run:
    data = tensors.normal(2, kernel.output_elements)
    return lambda: functional.glu(data, 0)


def _rotary(kernel: Kernel, tensors: RandomTensors) -> Run:
    """Rotary positions as Hugging Face's `apply_rotary_pos_emb` writes them, in five kernels.

    Cosines and sines are as many as the data: a layer's record does not say how many heads share them.
    """
    data, cosines, sines = (tensors.normal(kernel.output_elements) for _ in range(3))
    half = kernel.output_elements // 2
    return lambda: data * cosines + torch.cat((-data[half:], data[:half])) * sines


def _copy(kernel: Kernel, tensors: RandomTensors) -> Run:
    data = tensors.normal(kernel.output_elements)
    return lambda: data.clone()


def _concatenate(kernel: Kernel, tensors: RandomTensors) -> Run:
    first = kernel.output_elements // 2
    parts = (tensors.normal(first), tensors.normal(kernel.output_elements - first))
    return lambda: torch.cat(parts)


def _resize(kernel: Kernel, tensors: RandomTensors) -> Run:
    data = tensors.normal(1, 1, max(1, kernel.input_elements))
    return lambda: functional.interpolate(data, size=kernel.output_elements)


VECTOR: Mapping[str, Callable[[Kernel, RandomTensors], Run]] = {
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), _clamp),
    "batch_norm": _scale_and_shift,
    **dict.fromkeys(("max_pool", "avg_pool", "pooling"), _pool),
    "glu": _gated,
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "softmax": _softmax,
    "log_softmax": _softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "embedding": _embedding,
    "rotary": _rotary,
    "copy": _copy,
    "pad": _copy,
    "cat": _concatenate,
    "resize": _resize,
}
