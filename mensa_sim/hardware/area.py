"""Area of an accelerator's components, and the wires that follow from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mensa_sim.hardware.accelerator import BUFFERS, MeasuredDevice
from mensa_sim.hardware.pe_array import PeArray, Register
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import buffer_figures
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import OPERANDS, split_dims


def area_mm2(placed: PlacedAccelerator) -> Mapping[str, float]:
    """Area of each component, under the same names as their leakage; wiring and control are not in it.

    Empty for a measured accelerator, whose area nobody states.
    """
    if isinstance(placed.spec, MeasuredDevice):
        return {}
    spec, technology = placed.array, placed.technology
    area = {"mac": _mac_area_mm2(spec, technology), "register": _register_area_mm2(spec, technology)}
    for name in BUFFERS:
        if name in spec.buffers:
            area[f"{name}_buffer"] = buffer_figures(technology, spec.buffers[name]).area_mm2
    if spec.vector_unit is not None:
        area["vector"] = spec.vector_unit.lanes * technology.vector_lane_area_mm2.value
    return area


def register_copies(spec: PeArray, register: Register) -> int:
    """How many of a register file the array holds: one per PE, less along the axes that share one.

    An axis shares when the dims that fill it first are all among `shared_along`.
    """
    shared = {dim for entry in register.shared_along for dim in split_dims(entry)}
    copies = 1
    for axis in spec.dataflow.axes:
        if not set(split_dims(axis.dims[0])) <= shared:
            copies *= axis.size
    return copies


def register_bits(spec: PeArray) -> int:
    """Bits of all register files of the array."""
    files = [spec.registers[operand] for operand in OPERANDS if operand in spec.registers]
    return sum(register_copies(spec, register) * register.bytes * BITS_PER_BYTE for register in files)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayWires:
    """Lengths and energies of the wires of a square array, from the area of its MACs and registers."""

    side_mm: float
    pitch_mm: float
    """From a PE to its neighbour."""
    hop_pj_per_bit: float
    """One bit from a PE to its neighbour."""
    broadcast_pj_per_bit: float
    """One bit along the whole side of the array, seen by every PE on the way."""


def array_wires(placed: PlacedAccelerator) -> ArrayWires:
    """The wires of an accelerator's array; a lower bound, since routing and control take area of their own."""
    spec, technology = placed.array, placed.technology
    side_mm = math.sqrt(_mac_area_mm2(spec, technology) + _register_area_mm2(spec, technology))
    pitch_mm = side_mm / math.sqrt(spec.pes)
    return ArrayWires(
        side_mm=side_mm,
        pitch_mm=pitch_mm,
        hop_pj_per_bit=technology.wire_pj(1, pitch_mm),
        broadcast_pj_per_bit=technology.wire_pj(1, side_mm),
    )


def _mac_area_mm2(spec: PeArray, technology: Technology) -> float:
    return macs_8_bit(spec, technology) * technology.mac_area_mm2.value


def macs_8_bit(spec: PeArray, technology: Technology) -> float:
    """The array's MACs counted as 8-bit ones."""
    return spec.pes * spec.macs_per_pe * technology.mac_width_factor(spec.operand_bits)


def _register_area_mm2(spec: PeArray, technology: Technology) -> float:
    return register_bits(spec) * technology.register_area_mm2_per_bit.value
