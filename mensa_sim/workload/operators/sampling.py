"""Samples between elements: resizing, grids of places, deformable convolution.

A sample is the nearest element copied, or a weighted sum of the taps around it. A deformable convolution (Dai et al.
2017; with a mask, Zhu et al. 2019) samples each of its taps at a computed place; the samples, laid out as columns, meet
the weight in a convolution of one tap.
"""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler

TAPS: Mapping[str, int] = {"nearest": 1, "linear": 2, "bilinear": 4, "trilinear": 8, "bicubic": 16}
"""Input elements that make one output element."""

LINEAR = ("linear", "bilinear", "trilinear")
"""Linear interpolation by the number of axes, from one on."""


def resize(spot: Spot, *, mode: str, operands: tuple[Tensor, ...], output: Tensor) -> None:
    """Each output: one product per tap and the additions between them; the nearest element costs none."""
    taps = TAPS[mode]
    operations = output.elements * (2 * taps - 1 if taps > 1 else 0)
    spot.add("resize", reads=operands, writes=(output,), vector_ops=operations)


def _resize(call: Call) -> None:
    mode = next(mode for mode in sorted(TAPS, key=len, reverse=True) if mode in call.operator)
    resize(call, mode=mode, operands=call.operands[:1], output=call.result)


def _grid_sample(call: Call) -> None:
    """Places read from a grid; interpolation 0 is linear per axis, 1 nearest, 2 cubic (torch's numbering)."""
    rank = len(call.result.shape) - 2
    mode = (LINEAR[rank - 1], "nearest", "bicubic")[call.get("interpolation_mode", 0)]
    resize(call, mode=mode, operands=call.operands, output=call.result)


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


_KINDS = """
    upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa
"""

HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _resize for name in _KINDS.split()},
    **dict.fromkeys(("aten.grid_sampler", "aten.grid_sampler_2d", "aten.grid_sampler_3d"), _grid_sample),
    "torchvision.deform_conv2d": _deformable,
}
