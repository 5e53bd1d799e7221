"""Memories and the links between them."""

from collections.abc import Mapping
from dataclasses import field

from mensa_sim.hardware.array.levels import WIDEST_PORT_BITS
from mensa_sim.ranges import at_least, positive, share, within
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE

SRAM = "sram"
"""The kind of a memory on the chip: tensors may live in it, and no accelerator hangs on it."""
SRAM_ACCESS_BITS = 512
"""Width of an access of a memory on the chip where its file does not say: a line of 64 bytes, a choice."""
_SMALL, _GREAT = 1e-30, 1e30
"""Between them figures of a file may lie: products of a few of them are neither 0 nor infinite. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A memory channel as an accelerator sees it."""

    kind: str
    """The DRAM kind of the technology file that prices its bits: `lpddr4`, `hbm_internal`, ..."""
    bandwidth_bytes_per_s: int
    efficiency: float
    """Share of the bandwidth that streaming transfers reach."""
    read_pj_per_bit: float
    write_pj_per_bit: float
    background_mw: float
    """Power that the memory draws whatever is transferred."""
    word_bits: int = 1
    """Every tile moves whole words of so many bits; 1 where tiles lie side by side and no word is read in vain."""
    capacity_bytes: int | None = None
    """What it holds; none where nobody asks."""
    port_of: str | None = None
    """The memory that holds what this one moves, where it is another way into that one."""
    takes_turns: bool = False
    """Whether it and the other ways into the same memory are served in turns."""
    unit_power_mw: float | None = None
    """What each unit on it may spend on its work, where power is limited."""
    reached_by: tuple[str, ...] = ()
    """Of an on-chip memory, the accelerators that read and write it."""
    area_mm2: float = 0.0
    """Of an on-chip memory; DRAM is no part of the chip's."""

    def __post_init__(self) -> None:
        positive(self, "word_bits", "bandwidth_bytes_per_s", "unit_power_mw", label="memory")
        share(self, "efficiency", label="memory")
        at_least(0, self, "read_pj_per_bit", "write_pj_per_bit", "background_mw", "area_mm2", label="memory")
        if self.on_chip and self.capacity_bytes is None:
            raise ValueError("memory: one on the chip holds so many bytes and no more; say capacity_bytes")

    @property
    def on_chip(self) -> bool:
        """Whether tensors live in it only as long as a plan says, and there is no room for more."""
        return self.kind == SRAM

    @property
    def effective_bytes_per_s(self) -> float:
        """Bandwidth that transfers reach."""
        return self.bandwidth_bytes_per_s * self.efficiency

    def transfer_pj(self, *, read_bytes: int = 0, write_bytes: int = 0) -> float:
        """Dynamic energy of reading and writing bytes."""
        return BITS_PER_BYTE * (read_bytes * self.read_pj_per_bit + write_bytes * self.write_pj_per_bit)


def way_field(name: str, memory: Memory) -> str:
    """Where a system's file describes a memory, or another way into one."""
    owner = memory.port_of
    return f"memories.{name}" if owner is None else f"memories.{owner}.ports.{name.removeprefix(f'{owner}.')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPort:
    """A way into a memory, as files describe it; its energies are those of its kind in the technology."""

    kind: str
    """The DRAM kind of the technology file that prices its bits: `lpddr4`, `hbm_internal`, ..."""
    bandwidth_bytes_per_s: int
    """Peak rate of all its channels together."""
    efficiency: float
    """Share of the bandwidth that streaming transfers reach."""
    channels: int = 1
    """Channels of the kind, each with its own background power; together they have the bandwidth."""
    word_bits: int = 1
    """Every tile of a loop nest moves whole words, as `Memory` says."""
    power_limit_mw: float | None = None
    """What this way in and the units on it may draw together: their work with all that it moves, leakage and
    background. A layer takes no less time than its energy needs under its unit's share, which is the same for each; its
    mapping is chosen without regard to that, and copies between memories and prefetches are not slowed."""

    def __post_init__(self) -> None:
        at_least(1, self, "bandwidth_bytes_per_s", "channels")
        within(1, WIDEST_PORT_BITS, self, "word_bits")
        share(self, "efficiency")
        within(_SMALL, _GREAT, self, "efficiency", "power_limit_mw")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEntry(MemoryPort):
    """A memory as files describe it: the way into it from outside, and others."""

    ports: Mapping[str, MemoryPort] = field(default_factory=dict)
    """Further ways into it, as units beside its banks have: `MEMORY.PORT` in a system's file. What one way in has
    written another reads, without a copy; each has a bandwidth of its own."""
    exclusive: bool = False
    """Whether its ways in take turns: all that is under way over any of them has an equal part of the time, at the
    bandwidth of its own way. Else they do not wait for each other."""
    capacity_bytes: int | None = None
    """What it holds: parameters, keys and values of a model that generates must fit; tensors at home where it is an
    `sram`."""
    reached_by: tuple[str, ...] | None = None
    """Of an `sram`, the accelerators that read and write it; none: all."""
    access_bits: int | None = None
    """Of an `sram`, the width of an access that the technology's sweep prices; none: 512."""
    read_pj_per_bit: float | None = None
    """Of an `sram`, in place of what the technology's sweep says."""
    write_pj_per_bit: float | None = None
    """Likewise."""
    leakage_mw: float | None = None
    """Likewise, of the whole memory."""
    source: str = ""
    """Of those figures."""

    def __post_init__(self) -> None:
        MemoryPort.__post_init__(self)
        at_least(1, self, "capacity_bytes", "access_bits")
        within(0, _GREAT, self, "read_pj_per_bit", "write_pj_per_bit", "leakage_mw")
        own = ("reached_by", "access_bits", "read_pj_per_bit", "write_pj_per_bit", "leakage_mw")
        said = [name for name in own if getattr(self, name) is not None]
        if self.kind != SRAM:
            if said:
                raise ValueError(f"{', '.join(said)}: for a memory of kind {SRAM} alone")
            return
        if self.capacity_bytes is None:
            raise ValueError(f"capacity_bytes is required: a memory of kind {SRAM} holds so many bytes and no more")
        if self.ports or self.exclusive or self.power_limit_mw is not None:
            raise ValueError(
                f"ports, exclusive and power_limit_mw: not for a memory of kind {SRAM}, which has one way in"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link in both directions: between two memories, or between the activation levels of two accelerators."""

    between: tuple[str, str]
    """What it joins: two of `memories`, or two accelerators, at their activation levels."""
    bandwidth_bytes_per_s: int
    """Peak rate, which transfers reach."""
    energy_pj_per_bit: float
    """Of each bit carried; reading and writing at the ends come on top."""
    latency_ps: int
    """Time until the first byte arrives."""
    source: str = ""
    """Of its figures."""

    def __post_init__(self) -> None:
        positive(self, "bandwidth_bytes_per_s", label="link")
        at_least(0, self, "latency_ps", label="link")
        within(0, _GREAT, self, "energy_pj_per_bit", label="link")
        if self.between[0] == self.between[1]:
            raise ValueError(f"link: joins {self.between[0]} to itself")

    def transfer_pj(self, size_bytes: int) -> float:
        """Dynamic energy of moving bytes over the link."""
        return BITS_PER_BYTE * size_bytes * self.energy_pj_per_bit
