"""What a layer asks of an array at least, whole or in any parts: where no mapping is asked."""

from collections.abc import Sequence
from itertools import chain, combinations
from math import prod

from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.hardware.array.pe_array import Axis, PeArray
from mensa_sim.hardware.system import System
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.dims import split_dims
from mensa_sim.workload.layer import Layer, LoopNest


def least_array_ps(layer: Layer, system: System, cost: LayerCost) -> float:
    """Time that it keeps an accelerator at least, of the array at as many lanes as its dims fill or the vector unit."""
    spec = system.accelerator(cost.accelerator).spec
    if not cost.peak_macs_per_s or not isinstance(spec, PeArray):
        return 0.0
    filled = filled_share(layer.nest, spec.unrolled_axes) if layer.nest is not None and layer.steps == 1 else 1.0
    vector_ps = layer.vector_ops * PS_PER_S / (spec.vector_unit.lanes * spec.clock_hz) if spec.vector_unit else 0.0
    return max(layer.macs * PS_PER_S / (cost.peak_macs_per_s * filled), vector_ps)


def filled_share(nest: LoopNest, axes: Sequence[Axis]) -> float:
    """The share of the lanes that dims fill at most, however they are laid along axes that several of them share.

    Some axes are full, and all others together have no more lanes than there are values of the dims that may lie there:
    a cut between axes and dims, of which the least is the most that flows.
    """
    found = 1.0
    for some in chain.from_iterable(combinations(axes, count) for count in range(1, len(axes) + 1)):
        dims = {member for axis in some for dim in axis.dims for member in split_dims(dim)}
        found = min(found, prod(getattr(nest, dim) for dim in dims) / prod(axis.size for axis in some))
    return found


def least_array_pj(cost: LayerCost) -> float:
    """Energy of its products and elementwise operations."""
    return cost.dynamic_pj.get("mac", 0.0) + cost.dynamic_pj.get("vector", 0.0)
