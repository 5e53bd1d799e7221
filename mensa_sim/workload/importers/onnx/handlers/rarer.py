"""ONNX operators that few models have: local normalisations, powers of norms, samples, transforms, random numbers."""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Operation, Role, Tensor
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.convolution import convolution
from mensa_sim.workload.operators.copies import copy
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.normalisation import normalisation
from mensa_sim.workload.operators.resize import TAPS, resize
from mensa_sim.workload.operators.transforms import fft_operations
from mensa_sim.workload.operators.views import view


def _local_response(call: OnnxCall) -> None:
    """Square, the sum over `size` channels, scale, shift, power, division."""
    window = call.attributes["size"]
    call.add("local_response_norm", reads=call.operands[:1], vector_ops=call.result.elements * (window + 4))


def _power_pool(call: OnnxCall) -> None:
    """Each element of a window to a power and added, then the root."""
    rank = len(call.result.shape) - 2
    spatial = call.tensor(0).shape[-rank:]
    window = math.prod(call.attributes.get("kernel_shape", spatial))
    call.add("lp_pool", vector_ops=2 * window * call.result.elements)


def _power_norm(call: OnnxCall) -> None:
    """Each element to a power, added, and divided by the root."""
    axis = call.attributes.get("axis", -1)
    rows = call.result.elements // call.result.shape[axis]
    call.add("lp_norm", vector_ops=3 * call.result.elements + rows)


def _mean_variance(call: OnnxCall) -> None:
    shape = call.result.shape
    over = math.prod(shape[axis] for axis in call.attributes.get("axes", (0, 2, 3)))
    normalisation(
        call.builder,
        call.site,
        operator="mean_variance_norm",
        data=call.tensor(0),
        weight=None,
        bias=None,
        output=call.result,
        statistics=call.result.elements // over,
    )


def _mean(call: OnnxCall) -> None:
    """Additions and the division by their number."""
    operands = call.operands
    elementwise(
        call.builder,
        call.site,
        operator="mean",
        operands=operands,
        output=call.result,
        operations_per_element=len(operands),
    )


def _compared(call: OnnxCall) -> None:
    """Each element of the result is compared: with the largest of its row, or a place."""
    passes = 2 if call.operator == "Hardmax" else 1
    call.add(call.operator.lower(), reads=call.operands[:1], vector_ops=passes * call.result.elements)


def _triangle(call: OnnxCall) -> None:
    copy(call.builder, call.site, operands=call.operands[:1], outputs=call.outputs)


def _moved(call: OnnxCall) -> None:
    copy(call.builder, call.site, operands=call.operands, outputs=call.outputs)


def _added_columns(call: OnnxCall) -> None:
    data = call.tensor(0)
    copy(call.builder, call.site, operands=(data,), outputs=call.outputs, vector_ops=data.elements)


def _appended(call: OnnxCall) -> None:
    """New rows of a cache, written in place."""
    reads = (call.tensor(0), call.tensor(1))
    call.builder.add(Operation(site=call.site, operator="append", role=Role.VIEW, reads=reads, writes=(call.result,)))


def _rotary(call: OnnxCall) -> None:
    """Two products and a sum for each element; the tables' rows are read as they are."""
    call.add("rotary_embedding", vector_ops=3 * call.result.elements)


def _swiglu(call: OnnxCall) -> None:
    elementwise(
        call.builder,
        call.site,
        operator="swiglu",
        operands=call.operands,
        output=call.result,
        operations_per_element=2,
    )


def _sampled(call: OnnxCall) -> None:
    rank = len(call.result.shape) - 2
    mode = call.attributes.get("mode", "linear")
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(rank)
    kind = {"nearest": "nearest", "cubic": "bicubic", "bicubic": "bicubic"}.get(mode, linear)
    if kind is None:
        call.unsupported()
    else:
        resize(call.builder, call.site, mode=kind, operands=call.operands, output=call.result)


def _regions(call: OnnxCall) -> None:
    """Samples of each bin, each from four neighbours, and their mean or maximum."""
    ratio = call.attributes.get("sampling_ratio", 0)
    if ratio < 1:
        call.unsupported()
        return
    per_sample = 2 * TAPS["bilinear"] - 1 + 1
    call.add("roi_align", vector_ops=ratio * ratio * per_sample * call.result.elements)


def _transform(call: OnnxCall) -> None:
    """A Fourier transform of every row; a short-time one transforms every frame behind its window."""
    if call.operator == "STFT":
        frames = call.value(3)
        points = int(frames.reshape(-1)[0]) if frames is not None else call.tensor(2).elements if call.has(2) else 0
        rows = math.prod(call.result.shape[:2])
    else:
        axis = int(call.value(2).reshape(-1)[0]) if call.value(2) is not None else call.attributes.get("axis", 1)
        points = max(call.tensor(0).shape[axis], call.result.shape[axis])
        rows = call.result.elements // (2 * call.result.shape[axis])
    if points < 1:
        call.unsupported()
        return
    reads = tuple(tensor for tensor in call.operands if not tensor.index)
    call.add("fft", reads=reads, vector_ops=fft_operations(rows, points))


def _random(call: OnnxCall) -> None:
    call.add("random", reads=(), foldable=False, vector_ops=call.result.elements)


def _same(call: OnnxCall) -> None:
    view(call.builder, call.site, data=call.tensor(0), output=call.result)


def _deformable(call: OnnxCall) -> None:
    """Samples at learned places, then a convolution of one tap over them (Dai et al. 2017)."""
    data, weight = call.tensor(0), call.tensor(1)
    taps = math.prod(weight.shape[2:])
    output = call.result
    columns = call.new("samples", (data.shape[0], data.shape[1] * taps, *output.shape[2:]))
    masked = call.has(4)
    reads = tuple(tensor for tensor in (data, call.tensor(2), call.optional(4)) if tensor is not None)
    call.builder.add(
        Operation(
            site=call.site,
            operator="resize",
            reads=reads,
            writes=(columns,),
            vector_ops=(2 * TAPS["bilinear"] - 1 + masked) * columns.elements,
        )
    )
    flat = Tensor(
        id=f"{call.site.node}/flat",
        shape=(weight.shape[0], weight.shape[1] * taps, 1, 1),
        stored=weight.stored,
    )
    view(call.builder, call.site, data=weight, output=flat)
    convolution(
        call.builder,
        call.site,
        data=columns,
        weight=call.builder.tensor(flat.id),
        bias=call.optional(3),
        output=output,
        stride=(1, 1),
        dilation=(1, 1),
        groups=call.attributes.get("group", 1),
    )


HANDLERS: Mapping[str, OnnxHandler] = {
    "LRN": _local_response,
    **dict.fromkeys(("LpPool", "GlobalLpPool"), _power_pool),
    "LpNormalization": _power_norm,
    "MeanVarianceNormalization": _mean_variance,
    "Mean": _mean,
    **dict.fromkeys(("Hardmax", "OneHot"), _compared),
    "Trilu": _triangle,
    **dict.fromkeys(("ReverseSequence", "CenterCropPad", "MaxUnpool"), _moved),
    "Col2Im": _added_columns,
    "TensorScatter": _appended,
    "RotaryEmbedding": _rotary,
    "SwiGLU": _swiglu,
    "GridSample": _sampled,
    "RoiAlign": _regions,
    **dict.fromkeys(("DFT", "STFT"), _transform),
    **dict.fromkeys(("Bernoulli", "RandomNormal", "RandomUniform", "Multinomial"), _random),
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike"), _random),
    "BitCast": _same,
    "DeformConv": _deformable,
}
