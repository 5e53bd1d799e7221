"""What one instance of a level holds of a tile, on integers and on arrays alike."""

from collections.abc import Mapping, Sequence
from functools import reduce
from math import gcd
from operator import mul, or_
from typing import Any, NamedTuple

import numpy as np

from mensa_sim.arrays import Ints, Places
from mensa_sim.cost.counts.crossing import Number, pick
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.workload.dims import Operand, in_window
from mensa_sim.workload.layer import LoopNest


class WindowSteps(NamedTuple):
    """Positions of the input from one output or tap to the next: of a nest, or [tile]."""

    stride_y: Any
    stride_x: Any
    dilation_y: Any
    dilation_x: Any

    @classmethod
    def of(cls, nests: Sequence[LoopNest], which: Places) -> "WindowSteps":
        """[tile] Those of the nests that tiles are of."""
        return cls(*(np.array([getattr(nest, name) for nest in nests])[which] for name in cls._fields))


def lanes_of(stops: Sequence[Stop], which: Places) -> dict[str, int | Ints]:
    """[tile] Lanes along each dim of a level's instances, under the unrolling that tiles are of; 1 where all have 1."""
    each = {dim: [stop.own[dim] for stop in stops] for dim in stops[0].own}
    return {dim: np.array(lanes)[which] if max(lanes) > 1 else 1 for dim, lanes in each.items()}


def distinct(outputs: Number, taps: Number, stride: Any, dilation: Any) -> Number:
    """Distinct positions that some outputs read through some taps along one axis, nothing clipped.

    >>> distinct(4, 3, stride=1, dilation=1), distinct(4, 3, stride=2, dilation=1), distinct(4, 3, 1, 2)
    (6, 9, 8)
    """
    common: Any = np.gcd(stride, dilation) if isinstance(outputs, np.ndarray) else gcd(stride, dilation)
    more_outputs, more_taps = outputs - dilation // common, taps - stride // common
    found: Number = outputs * taps - (more_outputs * (more_outputs > 0)) * (more_taps * (more_taps > 0))
    return found


def own_elements(
    steps: WindowSteps | LoopNest,
    operand: Operand,
    lanes: Mapping[str, Any],
    extents: Mapping[str, Number],
    largest: Number,
) -> Number:
    """Elements of a tile in the fullest instance, as indices take turns among the instances along a dim: its `lanes`.

    `largest` are those of the largest tile. Where rows or columns of an input lie in several instances, each must do
    wherever its own are: what padding spares is not counted, nor what indices of a flattened product have in common.
    """
    several = [dim for dim, each in lanes.items() if isinstance(each, np.ndarray) or each > 1]
    over = [dim for dim in several if operand == "input" and in_window(dim)]
    shared = largest
    for dim in several:
        if dim not in over:
            shared = shared // extents[dim] * -(-extents[dim] // lanes[dim])
    if not over:
        return shared
    own = {dim: -(-extents[dim] // each) for dim, each in lanes.items()}
    factors = dict(own)
    for outputs, taps, stride, dilation in (
        ("OY", "FY", steps.stride_y, steps.dilation_y),
        ("OX", "FX", steps.stride_x, steps.dilation_x),
    ):
        if outputs in own and taps in own:
            apart = stride * lanes[outputs], dilation * lanes[taps]
            factors[outputs] = distinct(own[outputs], own[taps], *apart)
            del factors[taps]
    found: Number = pick(reduce(or_, [lanes[dim] > 1 for dim in over]), reduce(mul, factors.values()), shared)
    return found


def taken_bits(held_bits: Any, whole: Any, copies: int) -> Any:
    """Bits that a level takes for a tile and, as double buffers, for the one that takes its place; a whole operand is
    never replaced.

    >>> taken_bits(96, False, copies=2), taken_bits(96, True, copies=2)
    (192, 96)
    """
    return held_bits * pick(whole, 1, copies)
