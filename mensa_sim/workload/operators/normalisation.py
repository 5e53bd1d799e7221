"""Normalisations. Vector operations per element count the sums, differences, squares and products of the definition.

Batch norm with running statistics is one scale and one shift per channel, which fold into a convolution before it.
"""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.operation import Role, Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.reduction import gone_over_twice

_CENTRED = 5
"""Sum for the mean, difference, square, sum for the variance, product with its root."""
_UNCENTRED = 3
"""Of an RMS norm: square, sum, product with its root."""
_PER_STATISTIC = 4
"""Two divisions by the count, the added epsilon, one root."""


def batch_norm(spot: Spot, *, data: Tensor, names: tuple[str, str], output: Tensor) -> None:
    """Scale and shift per channel (axis 1); running mean and variance are folded into the two."""
    channels = data.shape[1]
    scale, shift = (
        spot.builder.constant(f"{spot.site.node}/{part}", (channels,), name=name)
        for part, name in zip(("scale", "shift"), names, strict=True)
    )
    spot.add(
        "batch_norm", role=Role.AFFINE, reads=(data, scale, shift), writes=(output,), vector_ops=2 * output.elements
    )


def normalisation(
    spot: Spot,
    *,
    operator: str,
    data: Tensor,
    output: Tensor,
    statistics: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    shown: Sequence[Tensor] = (),
) -> None:
    """Each of `statistics` slices of the input scaled to unit variance, then weight and bias.

    `shown` are the statistics themselves, where the model reads them.
    """
    affine = tuple(tensor for tensor in (weight, bias) if tensor is not None)
    per_element = (_UNCENTRED if operator == "rms_norm" else _CENTRED) + len(affine)
    size = output.elements // max(1, statistics)
    spot.add(
        operator,
        reads=(data, *affine),
        writes=(output, *shown),
        vector_ops=per_element * output.elements + _PER_STATISTIC * statistics,
        across=_innermost(output.shape, size),
        **gone_over_twice(output, size),
    )


def _innermost(shape: Sequence[int], size: int) -> tuple[int, ...]:
    """The last axes that together have so many places."""
    axis = len(shape)
    while axis and math.prod(shape[axis:]) < size:
        axis -= 1
    return tuple(range(axis, len(shape)))


def local_response(spot: Spot, *, data: Tensor, output: Tensor, window: int) -> None:
    """Square, the sum over a window of channels, scale, shift, power, division."""
    spot.add("local_response_norm", reads=(data,), writes=(output,), vector_ops=output.elements * (window + 4))


def power_norm(spot: Spot, *, data: Tensor, output: Tensor, row: int) -> None:
    """Each element to a power, added over its row, and divided by the root."""
    operations = 3 * output.elements + output.elements // row
    spot.add("lp_norm", reads=(data,), writes=(output,), vector_ops=operations, **gone_over_twice(output, row))


def _batch_norm(call: Call) -> None:
    """On running statistics, whichever mode the program was exported in; where it keeps none, on those of the data."""
    weight, bias = call.get("weight"), call.get("bias")
    for further in call.results[1:]:  # statistics for training
        call.fill(further)
    if call.arguments.get("running_mean") is None:
        _normalise(call, "instance_norm", call.result.shape[1])
        return
    source = call.site.source or call.site.node
    names = (
        weight.constant if weight is not None else f"{source}.scale",
        bias.constant if bias is not None else f"{source}.shift",
    )
    batch_norm(call, data=call.tensor("input"), names=names, output=call.result)


def _normalise(call: Call, operator: str, statistics: int) -> None:
    normalisation(
        call,
        operator=operator,
        data=call.tensor("input"),
        weight=call.get("weight"),
        bias=call.get("bias"),
        output=call.result,
        statistics=statistics,
    )


def _layer_norm(call: Call) -> None:
    name = "rms_norm" if "rms" in call.operator else "layer_norm"
    _normalise(call, name, call.result.elements // math.prod(call["normalized_shape"]))


def _group_norm(call: Call) -> None:
    groups = call["num_groups"] if "num_groups" in call.arguments else call["group"]
    _normalise(call, "group_norm", call.result.shape[0] * groups)


_BATCH_NORMS = """
    batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional
    _native_batch_norm_legit_no_training
"""

HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _batch_norm for name in _BATCH_NORMS.split()},
    **{f"aten.{name}": _layer_norm for name in ("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")},
    **dict.fromkeys(("aten.group_norm", "aten.native_group_norm"), _group_norm),
    "aten.instance_norm": lambda call: _normalise(call, "instance_norm", call.result.shape[0] * call.result.shape[1]),
}
