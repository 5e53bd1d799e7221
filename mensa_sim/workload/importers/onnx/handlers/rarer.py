"""ONNX operators that few models have: local normalisations, powers of norms, samples, transforms, random numbers."""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Role
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.constants import random
from mensa_sim.workload.operators.copies import copy
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.normalisation import local_response, normalisation, power_norm
from mensa_sim.workload.operators.pooling import power_pool
from mensa_sim.workload.operators.sampling import LINEAR, TAPS, deformable, resize
from mensa_sim.workload.operators.transforms import fft_operations
from mensa_sim.workload.operators.views import view


def _power_pool(call: OnnxCall) -> None:
    """A global one has windows of all rows and columns."""
    data = call.tensor(0)
    taps = call.attributes.get("kernel_shape", data.shape[2 - len(call.result.shape) :])
    power_pool(call, data=data, output=call.result, taps=taps)


def _power_norm(call: OnnxCall) -> None:
    row = call.result.shape[call.attributes.get("axis", -1)]
    power_norm(call, data=call.tensor(0), output=call.result, row=row)


def _mean_variance(call: OnnxCall) -> None:
    shape = call.result.shape
    over = math.prod(shape[axis] for axis in call.attributes.get("axes", (0, 2, 3)))
    rows = call.result.elements // over
    normalisation(call, operator="mean_variance_norm", data=call.tensor(0), output=call.result, statistics=rows)


def _mean(call: OnnxCall) -> None:
    """Additions and the division by their number."""
    operands = call.operands
    elementwise(call, operator="mean", operands=operands, output=call.result, operations_per_element=len(operands))


def _compared(call: OnnxCall) -> None:
    """Each element of the result is compared: with the largest of its row, or a place."""
    passes = 2 if call.operator == "Hardmax" else 1
    call.add(call.operator.lower(), reads=call.operands[:1], vector_ops=passes * call.result.elements)


def _moved(call: OnnxCall) -> None:
    operands = call.operands[:1] if call.operator == "Trilu" else call.operands
    copy(call, operands=operands, outputs=call.outputs)


def _added_columns(call: OnnxCall) -> None:
    data = call.tensor(0)
    copy(call, operands=(data,), outputs=call.outputs, vector_ops=data.elements)


def _sampled(call: OnnxCall) -> None:
    """Nearest, linear along each axis, or cubic."""
    rank = len(call.result.shape) - 2
    mode = call.attributes.get("mode", "linear")
    linear = LINEAR[rank - 1] if rank <= len(LINEAR) else None
    kind = {"nearest": "nearest", "cubic": "bicubic", "bicubic": "bicubic"}.get(mode, linear)
    if kind is None:
        call.unsupported()
    else:
        resize(call, mode=kind, operands=call.operands, output=call.result)


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
    random(call, call.result)


def _deformable(call: OnnxCall) -> None:
    deformable(
        call,
        data=call.tensor(0),
        weight=call.tensor(1),
        offset=call.tensor(2),
        mask=call.optional(4),
        bias=call.optional(3),
        output=call.result,
    )


HANDLERS: Mapping[str, OnnxHandler] = {
    "LRN": lambda call: local_response(call, data=call.tensor(0), output=call.result, window=call.attributes["size"]),
    **dict.fromkeys(("LpPool", "GlobalLpPool"), _power_pool),
    "LpNormalization": _power_norm,
    "MeanVarianceNormalization": _mean_variance,
    "Mean": _mean,
    **dict.fromkeys(("Hardmax", "OneHot"), _compared),
    **dict.fromkeys(("Trilu", "ReverseSequence", "CenterCropPad", "MaxUnpool"), _moved),
    "Col2Im": _added_columns,
    # New rows of a cache, written in place.
    "TensorScatter": lambda call: call.add(
        "append", role=Role.VIEW, reads=(call.tensor(0), call.tensor(1)), writes=(call.result,)
    ),
    # Two products and a sum for each element; the tables' rows are read as they are.
    "RotaryEmbedding": lambda call: call.add("rotary_embedding", vector_ops=3 * call.result.elements),
    "SwiGLU": lambda call: elementwise(
        call, operator="swiglu", operands=call.operands, output=call.result, operations_per_element=2
    ),
    "GridSample": _sampled,
    "RoiAlign": _regions,
    **dict.fromkeys(("DFT", "STFT"), _transform),
    **dict.fromkeys(("Bernoulli", "RandomNormal", "RandomUniform", "Multinomial"), _random),
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike"), _random),
    "BitCast": lambda call: view(call, data=call.tensor(0), output=call.result),
    "DeformConv": _deformable,
}
