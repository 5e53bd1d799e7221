"""What a layer asks of an array at least, whole or in any parts: where no mapping is asked."""

from math import prod

from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.dims import split_dims
from mensa_sim.workload.layer import Layer


def least_array_ps(layer: Layer, system: System, cost: LayerCost) -> float:
    """Time that it keeps an accelerator at least, of the array at as many lanes as its dims fill or the vector unit."""
    spec = system.accelerator(cost.accelerator).spec
    if not cost.peak_macs_per_s or not isinstance(spec, PeArray):
        return 0.0
    filled = 1.0
    if layer.nest is not None and layer.steps == 1:
        for axis in spec.unrolled_axes:
            lanes = prod(getattr(layer.nest, member) for dim in axis.dims for member in split_dims(dim))
            filled *= min(axis.size, lanes) / axis.size
    vector_ps = layer.vector_ops * PS_PER_S / (spec.vector_unit.lanes * spec.clock_hz) if spec.vector_unit else 0.0
    return max(layer.macs * PS_PER_S / (cost.peak_macs_per_s * filled), vector_ps)


def least_array_pj(cost: LayerCost) -> float:
    """Energy of its products and elementwise operations."""
    return cost.dynamic_pj.get("mac", 0.0) + cost.dynamic_pj.get("vector", 0.0)
