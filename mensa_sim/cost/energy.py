"""What an access costs on one accelerator: technology figures per bit, access and operation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mensa_sim.hardware.accelerator import BufferName
from mensa_sim.hardware.area import array_wires
from mensa_sim.hardware.leakage import component_leakage_mw
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import buffer_figures
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """Energy per access of one accelerator's components, and its leakage while powered."""

    technology: Technology
    vector_pj: float
    """One elementwise operation."""
    register_pj_per_bit: Mapping[Operand, float]
    broadcast_pj_per_bit: float
    """One bit between a buffer and the PEs, along the side of the array."""
    hop_pj_per_bit: float
    """One bit of a partial sum from a PE to its neighbour."""
    buffer_read_pj: Mapping[BufferName, float]
    """One access of `min_bits`."""
    buffer_write_pj: Mapping[BufferName, float]
    memory_read_pj_per_bit: float
    memory_write_pj_per_bit: float
    leakage_mw: float

    def mac_pj(self, weight_bits: int, input_bits: int) -> float:
        """One multiply-accumulate; of unequal operands, the geometric mean of the two widths counts."""
        width = self.technology.mac_width_factor
        return self.technology.mac_pj() * math.sqrt(width(weight_bits) * width(input_bits))


def energy_model(placed: PlacedAccelerator, memory: Memory) -> EnergyModel:
    """The energies of an accelerator in its technology, on its memory.

    An accumulator that the spec does not list as a register costs what a single register of its width does.
    """
    technology, spec = placed.technology, placed.array
    registers: dict[Operand, float] = {"output": technology.register_pj(1, bits_to_bytes(spec.accumulator_bits))}
    registers |= {operand: technology.register_pj(1, register.bytes) for operand, register in spec.registers.items()}
    figures = {name: buffer_figures(technology, buffer) for name, buffer in spec.buffers.items()}
    wires = array_wires(placed)
    return EnergyModel(
        technology=technology,
        vector_pj=technology.vector_op_pj.value,
        register_pj_per_bit=registers,
        broadcast_pj_per_bit=wires.broadcast_pj_per_bit,
        hop_pj_per_bit=wires.hop_pj_per_bit,
        buffer_read_pj={
            n: f.read_pj * spec.buffers[n].min_bits / spec.buffers[n].read_bits for n, f in figures.items()
        },
        buffer_write_pj={
            n: f.write_pj * spec.buffers[n].min_bits / spec.buffers[n].write_bits for n, f in figures.items()
        },
        memory_read_pj_per_bit=memory.read_pj_per_bit,
        memory_write_pj_per_bit=memory.write_pj_per_bit,
        leakage_mw=sum(component_leakage_mw(placed).values()),
    )
