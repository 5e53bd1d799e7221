"""What an array has of a layer's products: lanes that several dims fill, and dims that several axes want."""

import random
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

import pytest

from mensa_sim.cost.least_work import filled_share
from mensa_sim.hardware.array.pe_array import Axis
from mensa_sim.workload.layer import LoopNest


def most_lanes(sizes: Mapping[str, int], axes: Sequence[Axis]) -> int:
    """Of all ways to lay powers of two of each dim along the axes, the lanes of the fullest."""
    places = [(dim, number) for number, axis in enumerate(axes) for dim in axis.dims]
    best = 0
    for unrolled in product(*([2**power for power in range(4)] for _ in places)):
        own = dict(zip(places, unrolled, strict=True))
        fits = all(
            prod(lanes for (_, number), lanes in own.items() if number == place) <= axis.size
            for place, axis in enumerate(axes)
        ) and all(prod(lanes for (name, _), lanes in own.items() if name == dim) <= size for dim, size in sizes.items())
        best = max(best, prod(unrolled)) if fits else best
    return best


@pytest.mark.parametrize("seed", range(20))
def test_no_more_lanes_are_filled_than_the_best_way_to_lay_dims_along_axes_fills(seed: int) -> None:
    draw = random.Random(seed)
    sizes = {dim: 2 ** draw.randint(0, 3) for dim in ("K", "C", "OX")}
    axes = [Axis(size=2 ** draw.randint(1, 3), dims=tuple(draw.sample(sorted(sizes), 2))) for _ in range(2)]
    lanes = prod(axis.size for axis in axes)
    assert filled_share(LoopNest(**sizes), axes) * lanes == pytest.approx(most_lanes(sizes, axes))
