"""Resizing: the nearest element copied, or a weighted sum of the taps around each output."""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.build.spot import Spot
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
    name = call.target.split(".")[1]
    mode = next(mode for mode in sorted(TAPS, key=len, reverse=True) if mode in name)
    resize(call, mode=mode, operands=call.operands[:1], output=call.result)


def _grid_sample(call: Call) -> None:
    """Places read from a grid; interpolation 0 is linear per axis, 1 nearest, 2 cubic (torch's numbering)."""
    rank = len(call.result.shape) - 2
    mode = (LINEAR[rank - 1], "nearest", "bicubic")[call.get("interpolation_mode", 0)]
    resize(call, mode=mode, operands=call.operands, output=call.result)


_KINDS = """
    upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa
"""

HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _resize for name in _KINDS.split()},
    **dict.fromkeys(("aten.grid_sampler", "aten.grid_sampler_2d", "aten.grid_sampler_3d"), _grid_sample),
}
