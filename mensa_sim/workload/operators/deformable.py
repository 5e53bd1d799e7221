"""Deformable convolution (Dai et al. 2017; with a mask, Zhu et al. 2019): taps sampled at computed places.

Each tap of each input channel is a bilinear sample (and its product with the mask); the samples, laid out as columns,
meet the weight in a convolution of one tap.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.build.operation import Operation, Tensor
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.resize import TAPS


def _deformable(call: Call) -> None:
    data, weight, output = call.tensor("input"), call.tensor("weight"), call.result
    taps = math.prod(weight.shape[2:])
    rows, columns = output.shape[2:]
    masked = bool(call.get("use_mask", False))
    shape = (data.shape[0], data.shape[1] * taps, rows, columns)
    sampled = Tensor(id=f"{call.site.node}/sampled", shape=shape, stored=math.prod(shape))
    places = [call.tensor("offset")] + ([call.tensor("mask")] if masked else [])
    call.builder.add(
        Operation(
            site=replace(call.site, name=f"{call.site.name}.sampling"),
            operator="resize",
            reads=(data, *places),
            writes=(sampled,),
            vector_ops=sampled.elements * (2 * TAPS["bilinear"] - 1 + masked),
        )
    )
    groups = data.shape[1] // weight.shape[1]
    bias = call.get("bias")
    call.builder.add(
        Operation(
            site=call.site,
            operator="conv2d",
            reads=(sampled, weight) if bias is None else (sampled, weight, bias),
            writes=(output,),
            nest=LoopNest(
                B=data.shape[0],
                G=groups,
                K=weight.shape[0] // groups,
                C=weight.shape[1] * taps,
                OY=rows,
                OX=columns,
                input_height=rows,
                input_width=columns,
            ),
            has_bias=bias is not None,
        )
    )


HANDLERS: Mapping[str, Handler] = {"torchvision.deform_conv2d": _deformable}
