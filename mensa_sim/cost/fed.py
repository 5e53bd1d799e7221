"""What a layer costs where parameters lie in an accelerator's tiles, and where a host streams them to it.

`layer_cycles` and the bus are facts of the silicon, whoever feeds it. Behind a host activations never leave the chip
between layers; of the parameters, those that do not stay cross once in each inference, of a recurrent layer too.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency, Traffic
from mensa_sim.cost.parameter_cache import has_one_pixel, held_bytes, is_depthwise
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.hardware.system import System
from mensa_sim.workload.layer import Layer

ON_CHIP = Residency(parameters=True, input=True, output=True)
RESIDENT = Residency(parameters=True)


def as_fed(
    costs: Mapping[Residency, LayerCost], layer: Layer, accelerator: str, system: System
) -> Mapping[Residency, LayerCost]:
    """A layer's costs as the array and its buffers cause them, turned into those on a system's accelerator."""
    spec = system.accelerator(accelerator).array
    if spec.parameter_store is not None:
        # By identity: residencies that cost the same share one record.
        known = {id(cost): with_store(cost, layer, spec.parameter_store) for cost in costs.values()}
        costs = {residency: known[id(cost)] for residency, cost in costs.items()}
    return costs if system.host is None else _behind_host(costs, layer, spec, system)


def with_store(cost: LayerCost, layer: Layer, store: ParameterStore) -> LayerCost:
    """The cost with the bus that carries parameters from tile to tile, and what tiles that share pixels wait."""
    if layer.nest is None or has_one_pixel(layer.nest):
        return cost
    spread = not (is_depthwise(layer.nest) or layer.weights_are_activations)
    bus = math.ceil(layer.parameter_bytes * layer.steps / store.bus_bytes_per_cycle) if spread else 0
    return replace(
        cost,
        compute_cycles=cost.compute_cycles + store.layer_cycles,
        buffer_cycles=max(cost.buffer_cycles, bus) + store.layer_cycles,
    )


def _behind_host(
    costs: Mapping[Residency, LayerCost], layer: Layer, spec: PeArray, system: System
) -> dict[Residency, LayerCost]:
    """With everything on chip, or the nearest that the buffers hold: its own time is the same."""
    on_chip = costs[ON_CHIP]
    resident = replace(
        on_chip,
        residency=RESIDENT,
        head_bytes=0,
        tail_bytes=0,
        traffic=tuple(each for each in on_chip.traffic if each.level != "memory"),
        dynamic_pj={name: pj for name, pj in on_chip.dynamic_pj.items() if name != "memory"},
    )
    held = held_bytes(layer, spec) if layer.gathered_bytes is None else layer.gathered_bytes
    streamed = replace(resident, residency=STREAMED)
    if held:
        memory_pj = system.memory_of(spec.name).transfer_pj(read_bytes=held)
        streamed = replace(
            streamed,
            traffic=(*resident.traffic, Traffic(operand="weight", level="memory", read_bytes=held, write_bytes=0)),
            dynamic_pj={**resident.dynamic_pj, **({"memory": memory_pj} if memory_pj else {})},
            buffered_bytes={**resident.buffered_bytes, "parameter": held},
            stored_bytes=held,
        )
    return {residency: resident if residency.parameters else streamed for residency in costs}
