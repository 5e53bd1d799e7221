"""A level of an accelerator's memory: registers or an SRAM, one in each PE, one for each row, or one in all."""

from collections.abc import Iterable
from typing import Literal, TypeVar

from mensa_sim.names import check_folder_name
from mensa_sim.ranges import at_least, within
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import OPERANDS, Operand

Passing = TypeVar("Passing")
PortKind = Literal["separate", "rw", "per_operand"]

WIDEST_PORT_BITS = 2**24
"""A choice, thousands of times the widest that ships: counts times a width stay whole numbers of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level, from a register to a shared SRAM: what it serves, how much it holds, where it stands.

    With `read_bits` and `write_bits` it is an SRAM whose ports take time; without them it is a register file, which
    keeps up with its PE.
    """

    name: str
    """Its name in mappings, results and `--set`."""
    serves: tuple[Operand, ...]
    """The operands that pass it: `weight`, `input`, `output`."""
    capacity_bytes: int
    """Of one instance."""
    per: tuple[int, ...] = ()
    """Axes of the array that have an instance for each of their indices; the MACs of a PE are the last axis."""
    multicasts_along: tuple[int, ...] = ()
    """Axes of `per` along which lanes that need the same weight or input are fed by one instance."""
    reduces_along: tuple[int, ...] = ()
    """Axes of `per` along which lanes that add to the same output are summed up into one instance."""
    read_bits: int | None = None
    """Bits that an instance reads in a cycle."""
    write_bits: int | None = None
    """Bits that an instance takes in in a cycle; goes with `read_bits`."""
    min_bits: int | None = None
    """The smallest access of an SRAM; none: its narrower port."""
    ports: PortKind = "separate"
    """Whether reads and writes go at once, share one port (`rw`), or go at once for each operand by itself, as where a
    bank holds one operand (`per_operand`; elementwise work then takes all of them)."""
    double_buffered: bool = True
    """An SRAM holds a tile and the next one; otherwise what has been used makes room for what comes."""
    waits: bool = False
    """Whether the array waits while what comes from outside (memory, or the SRAM around it) fills it or is taken out of
    it, as where it has no room for what comes next; else that goes on beside the array's work."""
    read_pj_per_bit: float | None = None
    """Its own energies, in place of the technology's for its capacity and width."""
    write_pj_per_bit: float | None = None
    """Goes with `read_pj_per_bit`."""
    source: str = ""
    """The publication that its energies are from; needed where it has its own."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        at_least(1, self, "capacity_bytes", label=self.name)
        faults = self._port_faults()
        if not self.serves or len(set(self.serves)) < len(self.serves):
            faults.append(f"serves names each of its operands once, of {', '.join(OPERANDS)}")
        for name in ("multicasts_along", "reduces_along"):
            if not set(getattr(self, name)) <= set(self.per):
                faults.append(f"{name} has an axis that per has not")
        if self.multicasts_along and self.serves == ("output",):
            faults.append("multicasts_along is for weights and inputs")
        if self.reduces_along and "output" not in self.serves:
            faults.append("reduces_along is for outputs")
        if (self.read_pj_per_bit is None) != (self.write_pj_per_bit is None):
            faults.append("read_pj_per_bit and write_pj_per_bit go together")
        if self.read_pj_per_bit is not None and not self.source.strip():
            faults.append("energies of its own need a source")
        if min(self.read_pj_per_bit or 0, self.write_pj_per_bit or 0) < 0:
            faults.append("an energy is negative")
        if faults:
            raise ValueError(f"level {self.name}: {'; '.join(faults)}")

    def _port_faults(self) -> list[str]:
        if self.read_bits is None or self.write_bits is None:
            if self.read_bits != self.write_bits:
                return ["read_bits and write_bits go together"]
            own = self.min_bits is not None or self.ports != "separate"
            return ["min_bits and ports are for a level with read_bits and write_bits"] if own else []
        within(1, WIDEST_PORT_BITS, self, "read_bits", "write_bits", "min_bits", label=self.name)
        if self.access_bits > min(self.read_bits, self.write_bits):
            return [f"min_bits {self.min_bits} is above its port width"]
        return []

    @property
    def ported(self) -> bool:
        """Whether it is an SRAM, whose ports take time."""
        return self.read_bits is not None

    @property
    def read_width(self) -> int:
        """Bits of a cycle's read; 1 for a register file, which has no port to wait for."""
        return self.read_bits or 1

    @property
    def write_width(self) -> int:
        """Bits of a cycle's write."""
        return self.write_bits or 1

    @property
    def access_bits(self) -> int:
        """Bits of the smallest access; registers are read bit by bit."""
        return min(self.read_width, self.write_width) if self.min_bits is None else self.min_bits

    def port_of(self, operand: str) -> str:
        """The name of the ports that an operand passes: those of all, or its own."""
        return operand if self.ports == "per_operand" else ""

    def by_port(self, passing: Iterable[tuple[str, Passing]]) -> list[list[Passing]]:
        """What operands pass it with, given beside each, in lists of those that share their ports."""
        ports: dict[str, list[Passing]] = {}
        for operand, each in passing:
            ports.setdefault(self.port_of(operand), []).append(each)
        return list(ports.values())

    def shared_along(self, operand: Operand) -> tuple[int, ...]:
        """Axes along which lanes with the same element of an operand share an instance."""
        return self.reduces_along if operand == "output" else self.multicasts_along

    @property
    def component(self) -> str:
        """The component that its energy, leakage and area are booked under."""
        if not self.ported:
            return "register"
        if self.serves == ("weight",):
            return "parameter_buffer"
        return "shared_buffer" if "weight" in self.serves else "activation_buffer"
