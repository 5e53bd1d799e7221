"""Convolutions in one to three dimensions: grouped, depthwise, dilated and transposed.

Depth positions of a 3-D convolution fold into B and its depth taps into C. A transposed convolution whose filter
the stride divides is, phase by phase, a convolution at the input's resolution (Shi et al. 2016, "Is the deconvolution
layer the same as a convolutional layer?"): K x s_y x s_x channels of FY/s_y x FX/s_x taps. Any other is a matrix
product to K x FY x FX columns, which are added up where they overlap before they leave. Either way the MACs are those
of the definition: input positions x K x C x FY x FX.
"""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.dims import window_span
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler


def convolution(
    spot: Spot,
    *,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    output: Tensor,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
    transposed: bool = False,
) -> None:
    """One convolution layer; shapes are [N, C, *space] (N may be missing) and weight [K, C/groups, *taps].

    The weight of a transposed one is [C, K/groups, *taps].
    """
    operands, rank = (data, weight), len(weight.shape) - 2
    if not transposed:
        nest = LoopNest(
            B=batch(data, rank) * _space(output.shape[-rank:])[0],
            G=groups,
            K=weight.shape[0] // groups,
            C=weight.shape[1] * _space(weight.shape[2:])[0],
            **window_sizes(data, output, weight.shape[2:], stride, dilation),
        )
        spot.multiply(f"conv{rank}d", operands=operands, bias=bias, output=output, nest=nest)
        return
    taps, strides, dilations = weight.shape[2:], _per_axis(stride, rank), _per_axis(dilation, rank)
    made = phases(_space(taps), _space(strides), undilated=max(dilations) == 1)
    nest = _nest_at_input(data, weight, made, groups)
    channels = weight.shape[1] * groups
    sizes = zip(data.shape[-rank:], output.shape[-rank:], taps, strides, dilations, strict=True)
    axes = [Spread(inputs=i, outputs=o, taps=t, stride=s, dilation=d) for i, o, t, s, d in sizes]
    spot.multiply(
        f"conv_transpose{rank}d",
        operands=operands,
        bias=bias,
        output=output,
        nest=nest,
        output_channels=channels,
        **overlapping(made, nest, axes, channels=channels, elements=output.elements),
    )


def window_sizes(
    data: Tensor, output: Tensor, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> dict[str, int]:
    """The fields of a loop nest that say how a window moves; shapes are [..., *space], one entry of `taps` per axis."""
    rank = len(taps)
    _, out_y, out_x = _space(output.shape[-rank:])
    _, taps_y, taps_x = _space(taps)
    _, in_y, in_x = _space(data.shape[-rank:])
    _, stride_y, stride_x = _space(_per_axis(stride, rank))
    _, dilation_y, dilation_x = _space(_per_axis(dilation, rank))
    return {
        "OY": out_y,
        "OX": out_x,
        "FY": taps_y,
        "FX": taps_x,
        "stride_y": stride_y,
        "stride_x": stride_x,
        "dilation_y": dilation_y,
        "dilation_x": dilation_x,
        "input_height": in_y,
        "input_width": in_x,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """How a transposed convolution becomes a convolution at its input's resolution."""

    positions: int
    """That each input position makes, as channels."""
    taps: tuple[int, ...]
    """By axis, of each of them."""
    overlap: bool
    """Whether positions that several inputs make are added up."""


def phases(taps: Sequence[int], strides: Sequence[int], *, undilated: bool) -> Phases:
    """One phase for each step of the stride where the stride divides the filter, else a column for each tap.

    >>> phases((4, 4), (2, 2), undilated=True)
    Phases(positions=4, taps=(2, 2), overlap=False)
    >>> phases((3, 3), (2, 2), undilated=True)
    Phases(positions=9, taps=(1, 1), overlap=True)
    """
    if undilated and all(tap % step == 0 for tap, step in zip(taps, strides, strict=True)):
        each = tuple(tap // step for tap, step in zip(taps, strides, strict=True))
        return Phases(positions=math.prod(strides), taps=each, overlap=False)
    return Phases(positions=math.prod(taps), taps=(1,) * len(taps), overlap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An axis along which a transposed convolution spreads its input out."""

    inputs: int = 1
    outputs: int = 1
    taps: int = 1
    stride: int = 1
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Positions from the first to the last that one input adds to."""
        return window_span(1, self.taps, 1, self.dilation)

    @property
    def beyond(self) -> int:
        """Of these, those that the next input may add to."""
        return max(0, self.reach - self.stride) if self.inputs > 1 else 0

    @property
    def block_inputs(self) -> int:
        """Inputs that add to any of the outputs (as many as the stride) that stand for one of them.

        Of what the inputs make, half of what lies beyond the outputs is cut off before the first: the more, if one is.
        """
        beyond = max(0, self.stride * (self.inputs - 1) + self.reach - self.outputs)
        before = -(-beyond // 2)
        return (self.stride - 1 + before) // self.stride + (self.reach - 1 - before) // self.stride + 1


def overlapping(
    made: Phases, nest: LoopNest, axes: Sequence[Spread], *, channels: int, elements: int
) -> dict[str, int]:
    """The fields of a layer whose columns overlap or lie in padding; `elements` are those of its output.

    Columns are added up where they are made, row after row of the input: sums to which the next row adds wait (in
    three dimensions also those to which the next plane does), and what leaves is final.
    """
    depth, rows, columns = (*[Spread()] * (3 - len(axes)), *axes)
    line, taps = (rows, nest.FY) if rows.inputs > 1 else (columns, nest.FX)
    found = {
        "summed_elements": min(elements, nest.output_elements),
        "further_rows": max(0, line.block_inputs - taps) if line.inputs > 1 else 0,
    }
    if not made.overlap or not any(axis.beyond for axis in axes):
        return found
    planes = depth.beyond * rows.outputs * columns.outputs
    waiting = planes + depth.reach * rows.beyond * columns.outputs
    return {
        **found,
        "vector_ops": nest.output_elements,
        "waiting_elements": channels * (waiting or columns.beyond),
    }


def _nest_at_input(data: Tensor, weight: Tensor, made: Phases, groups: int) -> LoopNest:
    """The loops of a transposed convolution, phases as channels."""
    rank = len(weight.shape) - 2
    in_z, in_y, in_x = _space(data.shape[-rank:])
    depth_taps, taps_y, taps_x = made.taps
    return LoopNest(
        B=batch(data, rank) * in_z,
        G=groups,
        K=weight.shape[1] * made.positions,
        C=weight.shape[0] // groups * depth_taps,
        OY=in_y,
        OX=in_x,
        FY=taps_y,
        FX=taps_x,
        input_height=in_y,
        input_width=in_x,
    )


def batch(data: Tensor, rank: int) -> int:
    """Images of a tensor of shape [N, C, *space]; N may be missing."""
    return data.shape[0] if len(data.shape) == rank + 2 else 1


def _per_axis(values: Sequence[int], rank: int) -> Sequence[int]:
    return values if len(values) == rank else [values[0]] * rank


def _space(values: Sequence[int]) -> tuple[int, int, int]:
    """One to three sizes as depth, rows and columns."""
    depth, rows, columns = (1,) * (3 - len(values)) + tuple(values)
    return depth, rows, columns


def _conv(call: Call) -> None:
    convolution(
        call,
        data=call.tensor("input"),
        weight=call.tensor("weight"),
        bias=call.get("bias"),
        output=call.result,
        stride=call["stride"],
        dilation=call["dilation"],
        groups=call["groups"],
        transposed=bool(call.get("transposed", "transpose" in call.operator)),
    )


def _time_first(call: Call) -> None:
    """A convolution over [time, batch, channels], the weight [taps, channels, outputs]."""
    data, weight = call.tensor("input"), call.tensor("weight")
    nest = LoopNest(
        B=data.shape[1],
        K=weight.shape[2],
        C=weight.shape[1],
        OX=call.result.shape[0],
        FX=weight.shape[0],
        input_width=data.shape[0],
    )
    call.multiply("conv1d", operands=(data, weight), bias=call.get("bias"), output=call.result, nest=nest)


HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{kind}{rank}d": _conv for kind in ("conv", "conv_transpose") for rank in (1, 2, 3)},
    "aten.convolution": _conv,
    "aten.conv_tbc": _time_first,
}
