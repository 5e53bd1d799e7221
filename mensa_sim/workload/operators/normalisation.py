"""Normalisations. Vector operations per element count the sums, differences, squares and products of the definition.

Batch norm with running statistics is one scale and one shift per channel, which fold into a convolution before it.
"""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor
from mensa_sim.workload.operators.call import Call, Handler

_CENTRED = 5
"""Sum for the mean, difference, square, sum for the variance, product with its root."""
_UNCENTRED = 3
"""Square, sum, product with its root."""
_PER_STATISTIC = 4
"""Two divisions by the count, the added epsilon, one root."""


def batch_norm(builder: GraphBuilder, site: Site, *, data: Tensor, names: tuple[str, str], output: Tensor) -> None:
    """Scale and shift per channel (axis 1); running mean and variance are folded into the two."""
    channels = data.shape[1]
    scale = builder.constant(f"{site.node}/scale", (channels,), name=names[0])
    shift = builder.constant(f"{site.node}/shift", (channels,), name=names[1])
    builder.add(
        Operation(
            site=site,
            operator="batch_norm",
            role=Role.AFFINE,
            reads=(data, scale, shift),
            writes=(output,),
            vector_ops=2 * output.elements,
        )
    )


def normalisation(
    builder: GraphBuilder,
    site: Site,
    *,
    operator: str,
    data: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    output: Tensor,
    statistics: int,
    centred: bool = True,
    shown: Sequence[Tensor] = (),
) -> None:
    """Each of `statistics` slices of the input scaled to unit variance, then weight and bias.

    `shown` are the statistics themselves, where the model reads them.
    """
    affine = tuple(tensor for tensor in (weight, bias) if tensor is not None)
    per_element = (_CENTRED if centred else _UNCENTRED) + len(affine)
    builder.add(
        Operation(
            site=site,
            operator=operator,
            reads=(data, *affine),
            writes=(output, *shown),
            vector_ops=per_element * output.elements + _PER_STATISTIC * statistics,
        )
    )


def _batch_norm(call: Call) -> None:
    """On running statistics, whichever mode the program was exported in; where it keeps none, on those of the data."""
    weight, bias = call.get("weight"), call.get("bias")
    for further in call.results[1:]:  # statistics for training
        call.builder.fill(call.site, further)
    if call.arguments.get("running_mean") is None:
        _normalise(call, "instance_norm", call.result.shape[1])
        return
    source = call.site.source or call.site.node
    names = (
        weight.constant if weight is not None else f"{source}.scale",
        bias.constant if bias is not None else f"{source}.shift",
    )
    batch_norm(call.builder, call.site, data=call.tensor("input"), names=names, output=call.result)


def _normalise(call: Call, operator: str, statistics: int, *, centred: bool = True) -> None:
    normalisation(
        call.builder,
        call.site,
        operator=operator,
        data=call.tensor("input"),
        weight=call.get("weight"),
        bias=call.get("bias"),
        output=call.result,
        statistics=statistics,
        centred=centred,
    )


def _layer_norm(call: Call) -> None:
    _normalise(call, "layer_norm", call.result.elements // math.prod(call["normalized_shape"]))


def _rms_norm(call: Call) -> None:
    rows = call.result.elements // math.prod(call["normalized_shape"])
    _normalise(call, "rms_norm", rows, centred=False)


def _group_norm(call: Call) -> None:
    groups = call["num_groups"] if "num_groups" in call.arguments else call["group"]
    _normalise(call, "group_norm", call.result.shape[0] * groups)


def _instance_norm(call: Call) -> None:
    _normalise(call, "instance_norm", call.result.shape[0] * call.result.shape[1])


HANDLERS: Mapping[str, Handler] = {
    "aten.batch_norm": _batch_norm,
    "aten._native_batch_norm_legit_no_training": _batch_norm,
    "aten._native_batch_norm_legit": _batch_norm,
    "aten._native_batch_norm_legit_functional": _batch_norm,
    "aten.native_batch_norm": _batch_norm,
    "aten.layer_norm": _layer_norm,
    "aten.native_layer_norm": _layer_norm,
    "aten.rms_norm": _rms_norm,
    "aten._fused_rms_norm": _rms_norm,
    "aten.group_norm": _group_norm,
    "aten.native_group_norm": _group_norm,
    "aten.instance_norm": _instance_norm,
}
