"""What a layer costs on an accelerator that a host feeds.

Activations never leave the chip between layers; of the parameters, those that do not stay cross in each inference:
once, of a recurrent layer too, or with each block of an image that the chip cannot hold at once.
"""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency, Traffic
from mensa_sim.cost.parameter_cache import held_bytes
from mensa_sim.cost.spatial_blocks import spatial_blocks
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.workload.layer import Layer

ON_CHIP = Residency(parameters=True, input=True, output=True)
RESIDENT = Residency(parameters=True)


def as_fed(
    costs: Mapping[Residency, LayerCost], layer: Layer, accelerator: str, system: System
) -> Mapping[Residency, LayerCost]:
    """A layer's costs as the array and its buffers cause them, turned into those on a system's accelerator."""
    if system.feeder_of(accelerator) is None:
        return costs
    return _behind_host(costs, layer, system.accelerator(accelerator).array, system)


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
        read_bytes = held * spatial_blocks(layer, spec)
        memory_pj = system.memory_of(spec.name).transfer_pj(read_bytes=read_bytes)
        streamed = replace(
            streamed,
            traffic=(
                *resident.traffic,
                Traffic(operand="weight", level="memory", read_bytes=read_bytes, write_bytes=0),
            ),
            dynamic_pj={**resident.dynamic_pj, **({"memory": memory_pj} if memory_pj else {})},
            buffered_bytes={**resident.buffered_bytes, "parameter": held},
            stored_bytes=held,
        )
    return {residency: resident if residency.parameters else streamed for residency in costs}
