"""What an access costs on one accelerator: technology figures per bit, access and operation."""

import math
from collections.abc import Mapping

from mensa_sim.cost.counts.ways import accumulator
from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.hardware.area import array_wires
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.static_energy import component_leakage_mw
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import access_pj
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """Energy per access of one accelerator's components, and its leakage while powered."""

    technology: Technology
    vector_pj: float
    """One elementwise operation."""
    components: Mapping[str, str]
    """The component that each level's energy is booked under, by its name."""
    broadcast_pj_per_bit: float
    """One bit between a buffer and the PEs, along the side of the array."""
    hop_pj_per_bit: float
    """One bit of a partial sum from a PE to its neighbour."""
    read_pj: Mapping[str, float]
    """One access of the smallest size by the name of the level; of a register file, one bit."""
    write_pj: Mapping[str, float]
    memory_read_pj_per_bit: float
    memory_write_pj_per_bit: float
    leakage_mw: float
    working_pj_per_cycle: float = 0.0
    """In place of all of these but memory and leakage, where it is stated."""

    def mac_pj(self, weight_bits: int, input_bits: int) -> float:
        """One multiply-accumulate; of unequal operands, the geometric mean of the two widths counts."""
        if self.working_pj_per_cycle:
            return 0.0
        width = self.technology.mac_width_factor
        return self.technology.mac_pj() * math.sqrt(width(weight_bits) * width(input_bits))


def energy_model(placed: PlacedAccelerator, memory: Memory) -> EnergyModel:
    """The energies of an accelerator in its technology, on its memory.

    An accumulator that the spec does not list as a level costs what a single register of its width does. Where its
    maker states what all of it draws, no part draws any more.
    """
    technology, spec = placed.technology, placed.array
    levels = (*spec.levels, accumulator(len(spec.unrolled_axes), spec.accumulator_bits))
    pairs = {level.name: access_pj(placed, level) for level in levels}
    wires, working = array_wires(placed), spec.working_pj_per_cycle
    apart = working is None
    return EnergyModel(
        technology=technology,
        vector_pj=apart * technology.vector_op_pj.value,
        components={level.name: level.component for level in levels},
        broadcast_pj_per_bit=apart * wires.broadcast_pj_per_bit,
        hop_pj_per_bit=apart * wires.hop_pj_per_bit,
        read_pj={name: pair[0] for name, pair in pairs.items()},
        write_pj={name: pair[1] for name, pair in pairs.items()},
        memory_read_pj_per_bit=memory.read_pj_per_bit,
        memory_write_pj_per_bit=memory.write_pj_per_bit,
        leakage_mw=sum(component_leakage_mw(placed).values()),
        working_pj_per_cycle=0.0 if working is None else working.value,
    )


def with_buffer_cycles(cost: LayerCost, cycles: int, accelerator: PeArray) -> LayerCost:
    """The cost with a busiest port that needs so many cycles, and what the accelerator draws while it waits for it."""
    found, working = cost.changed(buffer_cycles=cycles), accelerator.working_pj_per_cycle
    if working is None:
        return found
    waited_pj = working.value * (found.working_cycles - cost.working_cycles)
    device_pj = cost.dynamic_pj.get("device", 0.0) + waited_pj
    return found.changed(dynamic_pj={**cost.dynamic_pj, "device": device_pj} if device_pj else cost.dynamic_pj)
