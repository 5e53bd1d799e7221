"""ONNX operators of the vector unit: elementwise, normalisation, pooling, softmax, reductions, resizing."""

import math
from collections.abc import Mapping

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.normalisation import batch_norm, normalisation
from mensa_sim.workload.operators.pooling import adaptive_pool, pool
from mensa_sim.workload.operators.reduction import reduction, softmax, sort
from mensa_sim.workload.operators.sampling import LINEAR, resize
from mensa_sim.workload.operators.views import view

_SPELT_ALIKE = """
    Relu Elu Selu Celu Gelu Sigmoid HardSigmoid Mish Tanh Softplus Softsign Add Sub Mul Div Pow Where Abs Neg Sign
    Ceil Floor Round Exp Log Sqrt Reciprocal Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf IsNaN IsInf
"""

_ELEMENTWISE: Mapping[str, str] = {
    **{name: name.lower() for name in _SPELT_ALIKE.split()},
    "LeakyRelu": "leaky_relu",
    "Shrink": "hardshrink",
    "PRelu": "prelu",
    "ThresholdedRelu": "threshold",
    "HardSwish": "hardswish",
    "Swish": "silu",
    "Clip": "clamp",
    "Mod": "remainder",
    "Equal": "eq",
    "Less": "lt",
    "LessOrEqual": "le",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "And": "logical_and",
    "Or": "logical_or",
    "Xor": "logical_xor",
    "Not": "logical_not",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "BitwiseNot": "bitwise_not",
    "BitShift": "bitwise_left_shift",
    "Max": "maximum",
    "Min": "minimum",
    "Sum": "add",
}
"""ONNX operator to the name that torch has for it: one operation per element and operand beyond the first."""

_REDUCTIONS: Mapping[str, str] = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "amax",
    "ReduceMin": "amin",
    "ReduceProd": "prod",
    "ReduceL1": "norm",
    "ReduceL2": "norm",
    "ReduceSumSquare": "norm",
    "ReduceLogSumExp": "logsumexp",
    "ArgMax": "argmax",
    "ArgMin": "argmin",
    "CumSum": "cumsum",
    "CumProd": "cumprod",
    "ReduceLogSum": "sum",
}

_MANY = ("Max", "Min", "Sum")


def _elementwise(call: OnnxCall) -> None:
    operands = call.operands[:1] if call.operator == "Clip" else call.operands
    per_element = max(1, len(operands) - 1) if call.operator in _MANY else 1
    name = _ELEMENTWISE[call.operator]
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
    row = math.prod(shape[axis:]) if older else shape[axis]
    softmax(call, data=call.tensor(0), output=call.result, row=row, logarithm=call.operator == "LogSoftmax")


def _reduce(call: OnnxCall) -> None:
    operator = _REDUCTIONS[call.operator]
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
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduce),
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
