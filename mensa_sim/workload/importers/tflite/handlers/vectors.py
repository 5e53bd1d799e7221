"""TFLite operators of the vector unit: elementwise, pooling, softmax, reductions, norms, resizing."""

from collections.abc import Mapping
from pathlib import Path

from mensa_sim.io.files import read_record
from mensa_sim.workload.importers.file_call import OperatorNames
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, channels_first
from mensa_sim.workload.operators.constants import random
from mensa_sim.workload.operators.detection import suppression
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.normalisation import local_response, power_norm
from mensa_sim.workload.operators.pooling import pool, power_pool
from mensa_sim.workload.operators.reduction import comparisons, reduction, softmax, sort
from mensa_sim.workload.operators.sampling import resize
from mensa_sim.workload.operators.transforms import fft_operations
from mensa_sim.workload.operators.views import view

_NAMES = read_record(Path(__file__).with_name("vectors.yaml"), OperatorNames)


def _elementwise(call: TfliteCall) -> None:
    operands = call.operands
    per_element = {"ADD_N": max(1, len(operands) - 1), "SQUARED_DIFFERENCE": 2, "COMPLEX_ABS": 4}.get(call.operator, 1)
    elementwise(
        call,
        operator=_NAMES.elementwise[call.operator],
        operands=operands,
        output=call.before_activation(),
        operations_per_element=per_element,
    )
    call.activate()


def _pool(call: TfliteCall) -> None:
    mean = call.operator == "AVERAGE_POOL_2D"
    pool(
        call,
        data=channels_first(call.tensor(0)),
        outputs=(channels_first(call.before_activation()),),
        taps=(call.option("FilterHeight"), call.option("FilterWidth")),
        # A file that leaves a stride out says 0.
        stride=(call.option("StrideH") or 1, call.option("StrideW") or 1),
        mean=mean,
    )
    call.activate()


def _root_pool(call: TfliteCall) -> None:
    taps = (call.option("FilterHeight"), call.option("FilterWidth"))
    power_pool(call, data=call.tensor(0), output=call.before_activation(), taps=taps)
    call.activate()


def _softmax(call: TfliteCall) -> None:
    logarithm = call.operator == "LOG_SOFTMAX"
    axes = [len(call.result.shape) - 1]
    softmax(call, data=call.tensor(0), output=call.result, axes=axes, logarithm=logarithm)


def _reduce(call: TfliteCall) -> None:
    """Over axes of length one alone it is a view."""
    data, operator = call.tensor(0), _NAMES.reductions[call.operator]
    if data.elements == call.result.elements and operator not in ("cumsum", "argmax", "argmin"):
        view(call, data=data, output=call.result)
        return
    reduction(call, operator=operator, operands=(data,), outputs=call.outputs[:1])


def _unit_norm(call: TfliteCall) -> None:
    power_norm(call, data=call.tensor(0), output=call.before_activation(), row=call.result.shape[-1])
    call.activate()


def _resize(call: TfliteCall) -> None:
    data = call.tensor(0)
    if data.shape == call.result.shape:
        view(call, data=data, output=call.result)
        return
    mode = "bilinear" if call.operator == "RESIZE_BILINEAR" else "nearest"
    resize(call, mode=mode, operands=(data,), output=call.result)


def _bucketed(call: TfliteCall) -> None:
    """A binary search among the boundaries for each element."""
    boundaries = call.option("BoundariesLength", 1)
    call.add("bucketize", vector_ops=call.result.elements * comparisons(boundaries + 1))


def _segments(call: TfliteCall) -> None:
    """Each element joins the row of its segment."""
    data = call.tensor(0)
    call.add("segment_reduction", vector_ops=data.elements)


def _transform(call: TfliteCall) -> None:
    """A real Fourier transform over the last two axes: half of a complex one."""
    *_, rows, columns = call.tensor(0).shape
    points = rows * columns
    count = call.tensor(0).elements // points
    call.add("fft", reads=call.operands[:1], vector_ops=fft_operations(count, points, real=True))


def _suppressed(call: TfliteCall) -> None:
    boxes, kept = call.tensor(0).shape[0], call.outputs[0].elements
    suppression(call, boxes=boxes, kept=kept, reads=call.operands[:2], writes=call.outputs)


HANDLERS: Mapping[str, TfliteHandler] = {
    **dict.fromkeys(_NAMES.elementwise, _elementwise),
    **dict.fromkeys(_NAMES.reductions, _reduce),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    "L2_POOL_2D": _root_pool,
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"), _softmax),
    "TOPK_V2": lambda call: sort(
        call, operator="topk", operands=call.operands[:1], outputs=call.outputs, kept=call.result.shape[-1]
    ),
    "L2_NORMALIZATION": _unit_norm,
    "LOCAL_RESPONSE_NORMALIZATION": lambda call: local_response(
        call, data=call.tensor(0), output=call.result, window=2 * call.option("Radius") + 1
    ),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    **dict.fromkeys(
        ("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"), lambda call: random(call, call.result)
    ),
    "BUCKETIZE": _bucketed,
    **dict.fromkeys(
        ("SEGMENT_SUM", *(f"UNSORTED_SEGMENT_{kind}" for kind in ["MAX", "MIN", "PROD", "SUM"])), _segments
    ),
    "RFFT2D": _transform,
    **dict.fromkeys(("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"), _suppressed),
}
