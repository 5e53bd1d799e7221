"""What the components of an array come to, their area first of all, and the wires that follow from it."""

import math
from collections.abc import Mapping
from typing import Literal

from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.hardware.technology.sram import sram_of
from mensa_sim.hardware.technology.technology import Constant, Technology
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import relevant


def area_mm2(placed: PlacedAccelerator) -> Mapping[str, float]:
    """Area of each component, under the same names as their leakage; wiring and control are not in it.

    Empty for a measured accelerator, whose area nobody states.
    """
    if isinstance(placed.spec, Device):
        return {}
    return by_component(placed, "area_mm2")


def by_component(placed: PlacedAccelerator, figure: Literal["area_mm2", "leakage_mw"]) -> dict[str, float]:
    """A figure of each component of an array: what the technology says of one, as often as it stands there.

    Thousands of designs share arrays and technologies, which are known here by what they are, not by what they hold.
    """
    spec, technology = placed.array, placed.technology
    key = id(spec), id(technology), figure
    if key not in _KNOWN:
        if len(_KNOWN) > MOST_FIGURES:
            _KNOWN.clear()
        _KNOWN[key] = spec, technology, _by_component(spec, technology, figure)
    return dict(_KNOWN[key][2])


MOST_FIGURES = 1024
"""Figures that are kept: a choice."""
_KNOWN: dict[tuple[int, int, str], tuple[PeArray, Technology, dict[str, float]]] = {}
"""Figures, with the array and the technology that they are of, so that no other has their place in memory."""


def _by_component(spec: PeArray, technology: Technology, figure: Literal["area_mm2", "leakage_mw"]) -> dict[str, float]:
    def of_one(part: str) -> float:
        constant: Constant = getattr(technology, part)
        return constant.value

    macs_8_bit = spec.pes * spec.macs_per_pe * technology.mac_width_factor(spec.operand_bits)
    found = {
        "mac": macs_8_bit * of_one(f"mac_{figure}"),
        "register": register_bits(spec) * of_one(f"register_{figure}_per_bit"),
    }
    for level in spec.levels:
        if level.ported:
            each: float = getattr(sram_of(technology, level), figure)
            found[level.component] = found.get(level.component, 0.0) + instances(spec, level) * each
    if spec.vector_unit is not None:
        found["vector"] = spec.vector_unit.lanes * of_one(f"vector_lane_{figure}")
    return found


def instances(spec: PeArray, level: Level) -> int:
    """How many of a level there are: one for each index of its axes, less along those whose lanes share one.

    An axis shares when the first dims that fill it do not index what the level serves. The MACs of a PE share the
    PE's: their registers' area is part of the MAC's own.
    """
    copies = 1
    for index, axis in enumerate(spec.dataflow.axes):
        first = axis.dims[0]
        shares = all(index in level.shared_along(o) and not relevant(o, first) for o in level.serves)
        if index in level.per and not shares:
            copies *= axis.size
    return copies


def register_bits(spec: PeArray) -> int:
    """Bits of all register files of the array."""
    files = [level for level in spec.levels if not level.ported]
    return sum(instances(spec, level) * level.capacity_bytes * BITS_PER_BYTE for level in files)


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
    area = area_mm2(placed)
    side_mm = math.sqrt(area["mac"] + area["register"])
    pitch_mm = side_mm / math.sqrt(spec.pes)
    return ArrayWires(
        side_mm=side_mm,
        pitch_mm=pitch_mm,
        hop_pj_per_bit=technology.wire_pj_per_bit(pitch_mm),
        broadcast_pj_per_bit=technology.wire_pj_per_bit(side_mm),
    )


def chip_area_mm2(system: System) -> float:
    """All accelerators, and the memories on the chip."""
    shared = sum(memory.area_mm2 for memory in system.memories.values())
    return sum(sum(area_mm2(placed).values()) for placed in system.accelerators) + shared
