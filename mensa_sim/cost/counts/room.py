"""What one instance of a level holds of a tile, on integers and on arrays alike."""

from collections.abc import Mapping
from functools import reduce
from math import gcd
from operator import mul

from mensa_sim.cost.counts.crossing import Number
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import LoopNest


def distinct(outputs: Number, taps: Number, stride: int, dilation: int) -> Number:
    """Distinct positions that some outputs read through some taps along one axis, nothing clipped.

    >>> distinct(4, 3, stride=1, dilation=1), distinct(4, 3, stride=2, dilation=1), distinct(4, 3, 1, 2)
    (6, 9, 8)
    """
    common = gcd(stride, dilation)
    more_outputs, more_taps = outputs - dilation // common, taps - stride // common
    return outputs * taps - (more_outputs * (more_outputs > 0)) * (more_taps * (more_taps > 0))


def own_elements(nest: LoopNest, operand: Operand, stop: Stop, extents: Mapping[str, Number]) -> Number:
    """Elements of a tile in the fullest instance: those of its own lanes, and of the lanes that share it.

    Lanes take turns along a dim. What padding spares is not counted: an instance must do wherever its lanes lie.
    """
    own = {dim: extents[dim] if lanes == 1 else -(-extents[dim] // lanes) for dim, lanes in stop.own.items()}
    factors = dict(own)
    if operand == "input":
        for outputs, taps, stride, dilation in (
            ("OY", "FY", nest.stride_y, nest.dilation_y),
            ("OX", "FX", nest.stride_x, nest.dilation_x),
        ):
            if outputs in own and taps in own:
                steps = stride * stop.own[outputs], dilation * stop.own[taps]
                factors[outputs] = distinct(own[outputs], own[taps], *steps)
                del factors[taps]
    return reduce(mul, factors.values())
