"""Deformable convolution (Dai et al. 2017; with a mask, Zhu et al. 2019): taps sampled at computed places.

Each tap of each input channel is a bilinear sample (and its product with the mask); the samples, laid out as columns,
meet the weight in a convolution of one tap.
"""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.build.spot import Spot
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.resize import TAPS


def deformable(
    spot: Spot,
    *,
    data: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    output: Tensor,
) -> None:
    """Two layers, `.sampling` and the convolution; tensors are [N, channels, rows, columns]."""
    taps = math.prod(weight.shape[2:])
    rows, columns = output.shape[2:]
    sampled = spot.new("sampled", (data.shape[0], data.shape[1] * taps, rows, columns))
    spot.named(f"{spot.site.name}.sampling").add(
        "resize",
        reads=(data, offset) if mask is None else (data, offset, mask),
        writes=(sampled,),
        vector_ops=sampled.elements * (2 * TAPS["bilinear"] - 1 + (mask is not None)),
    )
    groups = data.shape[1] // weight.shape[1]
    nest = LoopNest(
        B=data.shape[0],
        G=groups,
        K=weight.shape[0] // groups,
        C=weight.shape[1] * taps,
        OY=rows,
        OX=columns,
        input_height=rows,
        input_width=columns,
    )
    spot.multiply("conv2d", operands=(sampled, weight), bias=bias, output=output, nest=nest)


def _deformable(call: Call) -> None:
    deformable(
        call,
        data=call.tensor("input"),
        weight=call.tensor("weight"),
        offset=call.tensor("offset"),
        mask=call.tensor("mask") if call.get("use_mask", False) else None,
        bias=call.get("bias"),
        output=call.result,
    )


HANDLERS: Mapping[str, Handler] = {"torchvision.deform_conv2d": _deformable}
