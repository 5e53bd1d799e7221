"""What one instance of a level holds of a tile, on integers and on arrays alike."""

from collections.abc import Mapping
from functools import reduce
from math import gcd
from operator import mul
from typing import Any

from mensa_sim.cost.counts.crossing import Number, pick
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.workload.dims import Operand, in_window
from mensa_sim.workload.layer import LoopNest


def distinct(outputs: Number, taps: Number, stride: int, dilation: int) -> Number:
    """Distinct positions that some outputs read through some taps along one axis, nothing clipped.

    >>> distinct(4, 3, stride=1, dilation=1), distinct(4, 3, stride=2, dilation=1), distinct(4, 3, 1, 2)
    (6, 9, 8)
    """
    common = gcd(stride, dilation)
    more_outputs, more_taps = outputs - dilation // common, taps - stride // common
    return outputs * taps - (more_outputs * (more_outputs > 0)) * (more_taps * (more_taps > 0))


def own_elements(
    nest: LoopNest, operand: Operand, stop: Stop, extents: Mapping[str, Number], largest: Number
) -> Number:
    """Elements of a tile in the fullest instance, as indices take turns among the instances along a dim.

    `largest` are those of the largest tile. Where rows or columns of an input lie in several instances, each must do
    wherever its own are: what padding spares is not counted, nor what indices of a flattened product have in common.
    """
    several = {dim: lanes for dim, lanes in stop.own.items() if lanes > 1}
    window = operand == "input" and any(in_window(dim) for dim in several)
    if not window:
        for dim, lanes in several.items():
            largest = largest // extents[dim] * -(-extents[dim] // lanes)
        return largest
    own = {dim: -(-extents[dim] // lanes) for dim, lanes in stop.own.items()}
    factors = dict(own)
    for outputs, taps, stride, dilation in (
        ("OY", "FY", nest.stride_y, nest.dilation_y),
        ("OX", "FX", nest.stride_x, nest.dilation_x),
    ):
        if outputs in own and taps in own:
            steps = stride * stop.own[outputs], dilation * stop.own[taps]
            factors[outputs] = distinct(own[outputs], own[taps], *steps)
            del factors[taps]
    return reduce(mul, factors.values())


def taken_bits(held_bits: Any, whole: Any, copies: int) -> Any:
    """Bits that a level takes for a tile and, as double buffers, for the one that takes its place; a whole operand is
    never replaced.

    >>> taken_bits(96, False, copies=2), taken_bits(96, True, copies=2)
    (192, 96)
    """
    return held_bits * pick(whole, 1, copies)
