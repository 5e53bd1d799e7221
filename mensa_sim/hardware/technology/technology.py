"""A technology: energy, leakage and area of each component as functions of capacity, width and node."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Literal

from mensa_sim.ranges import at_least, not_negative, positive
from mensa_sim.records import dataclass

SramCell = Literal["itrs-hp", "itrs-lop", "itrs-lstp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SramFigures:
    """What one SRAM of a given capacity and access width costs."""

    read_pj: float
    """Energy of one access of the full width."""
    write_pj: float
    leakage_mw: float
    area_mm2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SramPoint:
    """One row of the SRAM sweep."""

    capacity_bytes: int
    """Of the whole SRAM."""
    access_bits: int
    """Width of one access."""
    read_pj: float
    """Energy of one read of the full width."""
    write_pj: float
    """Energy of one write of the full width."""
    leakage_mw: float
    """Of the whole SRAM."""
    area_mm2: float
    """Of the whole SRAM."""

    def __post_init__(self) -> None:
        at_least(1, self, "capacity_bytes", "access_bits")
        positive(self, "read_pj", "write_pj")
        not_negative(self, "leakage_mw", "area_mm2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A number and the publication that says it.

    Where the publication speaks of another process node, `node_nm` and `vdd_v` name it; the reader scales the value
    to the technology's node and says so in the source.
    """

    value: float
    """In the unit that the constant's name ends in."""
    source: str
    """The publication that says it, or that it is a choice and why."""
    node_nm: float | None = None
    """Process node that the publication speaks of; none: the technology's own."""
    vdd_v: float | None = None
    """Supply voltage there; goes with `node_nm`."""

    def __post_init__(self) -> None:
        not_negative(self, "value")
        positive(self, "node_nm", "vdd_v")
        if not self.source.strip():
            raise ValueError("source is empty")
        if (self.node_nm is None) != (self.vdd_v is None):
            raise ValueError("node_nm and vdd_v go together: give both or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEnergy:
    """What a DRAM kind's bits and background cost, controller excluded."""

    read_pj_per_bit: Constant
    """One bit read."""
    write_pj_per_bit: Constant
    """One bit written."""
    background_mw: Constant
    """Power of one channel that no transfer uses, refresh included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """Energy, leakage and area of the components of an accelerator, each constant with its source.

    As read from a file by `hardware.files`, every constant is at this technology's node and voltage.
    """

    name: str
    """Its name."""
    node_nm: float
    """Process node that all constants are brought to."""
    vdd_v: float
    """Supply voltage."""
    mac_pj_8_bit: Constant
    """One multiply-accumulate of two 8-bit operands."""
    mac_width_exponent: Constant
    """Energy and area of a MAC grow with (operand bits / 8) to this power."""
    mac_leakage_mw: Constant
    """Of one 8-bit MAC."""
    mac_area_mm2: Constant
    """Of one 8-bit MAC."""
    register_pj_per_bit: Constant
    """One bit read from or written to a single register."""
    register_pj_per_bit_byte: Constant
    """The same in a register file, per byte of its capacity; the larger of the two applies."""
    register_leakage_mw_per_bit: Constant
    """Of a register file."""
    register_area_mm2_per_bit: Constant
    """Of a register file."""
    wire_pj_per_bit_mm: Constant
    """One bit over a millimetre of on-chip wire, at average activity."""
    vector_op_pj: Constant
    """One operation of one lane of a vector unit."""
    vector_lane_leakage_mw: Constant
    """Of one lane of a vector unit."""
    vector_lane_area_mm2: Constant
    """Of one lane of a vector unit."""
    memories: Mapping[str, MemoryEnergy]
    """DRAM kinds, by the name that a memory's `kind` gives."""
    sram_source: str
    """Where the tables of `sram` come from."""
    sram_cell: SramCell
    """The table of `sram` in use."""
    sram: Mapping[SramCell, tuple[SramPoint, ...]]
    """SRAMs by cell type and capacity; between the rows a level's figures are log-log."""
    sram_energy_factor: float = 1.0
    """Multiplies SRAM access energies: for sensitivity studies."""
    sram_leakage_factor: float = 1.0
    """Multiplies SRAM leakage: for sensitivity studies."""

    def __post_init__(self) -> None:
        positive(self, "node_nm", "vdd_v", "sram_energy_factor", "sram_leakage_factor", label=self.name)
        if not self.sram_source.strip():
            raise ValueError(f"{self.name}: sram_source is empty")
        if not self.sram.get(self.sram_cell):
            raise ValueError(f"{self.name}: sram has no points for the cell {self.sram_cell!r}")

    def constants(self) -> Mapping[str, Constant]:
        """Every constant by its dotted name, as `--set technology.NAME=VALUE` takes it, in the order of the file."""
        found: dict[str, Constant] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Constant):
                found[entry.name] = value
        for kind, energy in self.memories.items():
            for entry in fields(energy):
                found[f"memories.{kind}.{entry.name}"] = getattr(energy, entry.name)
        return found

    def mac_pj(self, bits: int = 8) -> float:
        """Energy of one multiply-accumulate of operands that wide."""
        return self.mac_pj_8_bit.value * self.mac_width_factor(bits)

    def mac_width_factor(self, bits: int) -> float:
        """Energy, leakage or area of a MAC of operands that wide over those of the 8-bit one."""
        return float((bits / 8) ** self.mac_width_exponent.value)

    def register_pj(self, bits: int, capacity_bytes: int) -> float:
        """Energy of reading or writing some bits of a register file of that capacity."""
        per_bit = max(self.register_pj_per_bit.value, self.register_pj_per_bit_byte.value * capacity_bytes)
        return bits * per_bit

    def wire_pj_per_bit(self, length_mm: float) -> float:
        """Energy of driving a bit along an on-chip wire."""
        return length_mm * self.wire_pj_per_bit_mm.value
