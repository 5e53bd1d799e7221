"""What an array has of a layer's products: lanes that several dims fill, and dims that several axes want."""

import random
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

import pytest

from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.least_work import filled_share, least_array_ps
from mensa_sim.hardware.array.pe_array import Axis
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.layer import Layer, LoopNest


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


@pytest.mark.parametrize(("macs", "vector_ops"), [(64, 10**6), (10**6, 64)])
def test_an_array_is_kept_by_its_products_or_by_its_elementwise_work_whatever_takes_longer(
    macs: int, vector_ops: int
) -> None:
    system = load_system("edge_tpu")
    spec = system.accelerators[0].array
    assert spec.vector_unit is not None
    layer = Layer(name="l", operator="linear", nest=LoopNest(K=64, C=macs // 64), vector_ops=vector_ops)
    cost = LayerCost(
        layer="l",
        accelerator="edge_tpu",
        macs=macs,
        clock_hz=spec.clock_hz,
        compute_cycles=0,
        buffer_cycles=0,
        peak_macs_per_s=spec.peak_macs_per_s,
    )
    filled = filled_share(layer.nest, spec.unrolled_axes) if layer.nest else 0
    products_s = macs / (spec.peak_macs_per_s * filled)
    vector_s = vector_ops / (spec.vector_unit.lanes * spec.clock_hz)
    assert least_array_ps(layer, system, cost) == pytest.approx(1e12 * max(products_s, vector_s))


@pytest.mark.parametrize("seed", range(20))
def test_no_more_lanes_are_filled_than_the_best_way_to_lay_dims_along_axes_fills(seed: int) -> None:
    draw = random.Random(seed)
    sizes = {dim: 2 ** draw.randint(0, 3) for dim in ("K", "C", "OX")}
    axes = [Axis(size=2 ** draw.randint(1, 3), dims=tuple(draw.sample(sorted(sizes), 2))) for _ in range(2)]
    lanes = prod(axis.size for axis in axes)
    assert filled_share(LoopNest(**sizes), axes) * lanes == pytest.approx(most_lanes(sizes, axes))
