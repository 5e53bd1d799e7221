"""ONNX operators of the vector unit: elementwise, normalisation, pooling, softmax, reductions, resizing."""

import math
from collections.abc import Mapping
from pathlib import Path

from mensa_sim.errors import TraceError
from mensa_sim.io.files import read_record
from mensa_sim.workload.importers.file_call import OperatorNames
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.normalisation import batch_norm, normalisation
from mensa_sim.workload.operators.pooling import adaptive_pool, pool
from mensa_sim.workload.operators.reduction import reduction, softmax, sort
from mensa_sim.workload.operators.sampling import LINEAR, resize
from mensa_sim.workload.operators.views import view

_NAMES = read_record(Path(__file__).with_name("vectors.yaml"), OperatorNames)

_MANY = ("Max", "Min", "Sum")


def _elementwise(call: OnnxCall) -> None:
    operands = call.operands[:1] if call.operator == "Clip" else call.operands
    per_element = max(1, len(operands) - 1) if call.operator in _MANY else 1
    name = _NAMES.elementwise[call.operator]
    elementwise(call, operator=name, operands=operands, output=call.result, operations_per_element=per_element)


def _batch_norm(call: OnnxCall) -> None:
    if call.attributes.get("training_mode", 0):
        raise TraceError(f"{call.label} is in training mode; export it for inference")
    scale, shift = call.tensor(1), call.tensor(2)
    names = (scale.constant or scale.id, shift.constant or shift.id)
    batch_norm(call, data=call.tensor(0), names=names, output=call.result)


def _normalise(call: OnnxCall, operator: str, statistics: int) -> None:
    normalisation(
        call,
        operator=operator,
        data=call.tensor(0),
        weight=call.optional(1),
        bias=call.optional(2),
        output=call.result,
        statistics=statistics,
        shown=call.outputs[1:],
    )


def _layer_norm(call: OnnxCall) -> None:
    shape = call.result.shape
    rows = math.prod(shape[: call.attributes.get("axis", -1) % len(shape)])
    _normalise(call, "layer_norm" if call.operator == "LayerNormalization" else "rms_norm", rows)


def _pool(call: OnnxCall) -> None:
    mean = call.operator == "AveragePool"
    pool(
        call,
        data=call.tensor(0),
        outputs=call.outputs,
        taps=call.attributes["kernel_shape"],
        stride=call.attributes.get("strides") or (1,),
        dilation=call.attributes.get("dilations") or (1,),
        mean=mean,
    )


def _global_pool(call: OnnxCall) -> None:
    mean = call.operator == "GlobalAveragePool"
    adaptive_pool(call, data=call.tensor(0), outputs=call.outputs, rank=len(call.result.shape) - 2, mean=mean)


def _softmax(call: OnnxCall) -> None:
    """Before operator set 13 the rows are all axes from `axis` on."""
    shape, older = call.result.shape, call.model.opset < 13
    axis = call.attributes.get("axis", 1 if older else -1) % len(shape)
    axes = range(axis, len(shape)) if older else (axis,)
    softmax(call, data=call.tensor(0), output=call.result, axes=axes, logarithm=call.operator == "LogSoftmax")


def _reduce(call: OnnxCall) -> None:
    operator = _NAMES.reductions[call.operator]
    if call.operator.startswith("Reduce") and call.tensor(0).shape == call.result.shape and operator != "norm":
        view(call, data=call.tensor(0), output=call.result)
        return
    reduction(call, operator=operator, operands=call.operands[:1], outputs=call.outputs)


def _top_k(call: OnnxCall) -> None:
    kept = call.result.shape[call.attributes.get("axis", -1)]
    sort(call, operator="topk", operands=call.operands[:1], outputs=call.outputs, kept=kept)


def _resize(call: OnnxCall) -> None:
    data, output = call.tensor(0), call.result
    if data.shape == output.shape:
        view(call, data=data, output=output)
        return
    axes = sum(before != after for before, after in zip(data.shape, output.shape, strict=True))
    mode = call.attributes.get("mode", "nearest")
    if mode == "linear" and axes <= len(LINEAR):
        resize(call, mode=LINEAR[axes - 1], operands=(data,), output=output)
    elif mode in ("nearest", "cubic") and axes <= 2:
        torch_mode = "bicubic" if mode == "cubic" else "nearest"
        resize(call, mode=torch_mode, operands=(data,), output=output)
    else:
        call.unsupported()


HANDLERS: Mapping[str, OnnxHandler] = {
    **dict.fromkeys(_NAMES.elementwise, _elementwise),
    **dict.fromkeys(_NAMES.reductions, _reduce),
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _layer_norm),
    "InstanceNormalization": lambda call: _normalise(
        call, "instance_norm", call.result.shape[0] * call.result.shape[1]
    ),
    "GroupNormalization": lambda call: _normalise(
        call, "group_norm", call.result.shape[0] * call.attributes["num_groups"]
    ),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool"), _global_pool),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "TopK": _top_k,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
}
