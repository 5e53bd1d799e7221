"""An accelerator that is an array of PEs: how it walks a loop nest, and what stands between array and memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from mensa_sim.hardware.accelerator import Accelerator, BufferName, VectorUnit, at_least
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.workload.dims import FLATTENED, Operand, split_dims


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of the PE array: filled with its dims in order until full; what does not fill it idles."""

    size: int
    dims: tuple[str, ...]

    def __post_init__(self) -> None:
        at_least("axis", 1, size=self.size)
        if not self.dims:
            raise ValueError("axis: dims is empty")
        flat = [dim for entry in self.dims for dim in split_dims(entry)]
        if len(set(flat)) != len(flat):
            raise ValueError(f"axis: a dim stands twice in {list(self.dims)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Cycles in which a PE hands its partial sum on instead of multiplying: so many after the products over some dims.

    Of those dims, what the PE's registers hold is one such run of products.

    Eyeriss v1 spends one after the FX*C products of a row primitive (Chen et al., JSSC 2017).
    """

    cycles: int
    per: tuple[str, ...]

    def __post_init__(self) -> None:
        at_least("hop", 1, cycles=self.cycles)
        for dim in self.per:
            split_dims(dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """How the array unrolls a loop nest in space and which operand stays at the registers in time."""

    axes: tuple[Axis, ...]
    stationary: Operand
    batch_steps: bool = False
    """Whether independent time steps share one parameter fetch."""
    overlap: bool = True
    """Double buffering: transfers overlap computation, and a tile may take half a buffer."""
    refill_in_place: bool = False
    """With overlap, a tile may take the whole buffer: what has been used makes room for what comes."""
    pipeline_cycles: int | None = None
    """Cycles to fill and drain the array for each buffer tile; none means a wavefront over the filled axes."""
    depthwise_tap_slots: int = 1
    """A depthwise filter's taps take a multiple of this many slots."""
    depthwise_slot_cycles: int = 1
    """Cycles of a slot: above 1 where a depthwise filter uses one of so many MACs of a PE."""
    hop: Hop | None = None
    pe_dims: tuple[str, ...] = ()
    """The dims that the MACs of one PE unroll, filled in order like an axis; none: those of the axes, last first."""

    def __post_init__(self) -> None:
        if not self.axes:
            raise ValueError("dataflow: axes is empty")
        at_least("dataflow", 1, depthwise_tap_slots=self.depthwise_tap_slots)
        at_least("dataflow", 1, depthwise_slot_cycles=self.depthwise_slot_cycles)
        if self.pipeline_cycles is not None:
            at_least("dataflow", 0, pipeline_cycles=self.pipeline_cycles)
        for entry in self.pe_dims:
            split_dims(entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The register file of one operand at a PE, or shared by the PEs along some dims."""

    bytes: int
    shared_along: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        at_least("register", 1, bytes=self.bytes)
        for dim in self.shared_along:
            split_dims(dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """An on-chip SRAM: its capacity, the bits its ports move each cycle, and the smallest access."""

    capacity_bytes: int
    read_bits: int
    write_bits: int
    min_bits: int

    def __post_init__(self) -> None:
        at_least(
            "buffer",
            1,
            capacity_bytes=self.capacity_bytes,
            read_bits=self.read_bits,
            write_bits=self.write_bits,
            min_bits=self.min_bits,
        )
        if self.min_bits > min(self.read_bits, self.write_bits):
            raise ValueError(f"buffer: min_bits {self.min_bits} is above its port width")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeArray(Accelerator):
    """An array of PEs with its registers and buffers."""

    dataflow: Dataflow
    macs_per_pe: int = 1
    """Multiply-accumulates of one PE per cycle, over `dataflow.pe_dims`, else those of the axes."""
    operand_bits: int = 8
    """The operand width its MACs are built for: sets their area and leakage; dynamic energy follows the layer."""
    accumulator_bits: int = 32
    registers: Mapping[Operand, Register] = field(default_factory=dict)
    buffers: Mapping[BufferName, Buffer] = field(default_factory=dict)
    vector_unit: VectorUnit | None = None
    parameter_store: ParameterStore | None = None
    """How parameters lie in the tiles of an accelerator that a host feeds; absent: as one buffer."""

    def __post_init__(self) -> None:
        Accelerator.__post_init__(self)
        at_least(
            self.name,
            1,
            macs_per_pe=self.macs_per_pe,
            operand_bits=self.operand_bits,
            accumulator_bits=self.accumulator_bits,
        )
        faults = self._axis_faults()
        if faults:
            raise ValueError(f"{self.name}: {'; '.join(faults)}")

    def _axis_faults(self) -> list[str]:
        """What is wrong between the axes, and between them and the MACs of a PE."""
        faults = []
        if self.macs_per_pe == 1 and self.dataflow.pe_dims:
            faults.append("dataflow has pe_dims, so macs_per_pe must be above 1")
        entries = dict.fromkeys(entry for axis in self.unrolled_axes for entry in axis.dims)
        holder: dict[str, str] = {}
        for entry in entries:
            members = split_dims(entry)
            if len(members) > 1 and frozenset(members) not in FLATTENED:
                faults.append(f"dataflow: {entry} cannot be flattened; only OX*OY and FX*FY can")
            for member in members:
                if holder.setdefault(member, entry) != entry:
                    faults.append(f"dataflow: {member} stands both in {holder[member]} and in {entry}")
        return faults

    @property
    def tile_copies(self) -> int:
        """Tiles of an operand that a buffer holds at once: the one in use, and under double buffering the next."""
        return 2 if self.dataflow.overlap and not self.dataflow.refill_in_place else 1

    @property
    def pes(self) -> int:
        """Processing elements of the array."""
        return prod(axis.size for axis in self.dataflow.axes)

    @property
    def unrolled_axes(self) -> tuple[Axis, ...]:
        """The axes of the array and, where a PE holds several MACs, those of one PE as the last axis."""
        axes = self.dataflow.axes
        if self.macs_per_pe == 1:
            return axes
        dims = self.dataflow.pe_dims or tuple(dict.fromkeys(d for a in reversed(axes) for d in a.dims))
        return (*axes, Axis(size=self.macs_per_pe, dims=dims))

    @property
    def peak_macs_per_s(self) -> int:
        """With every PE busy."""
        return self.pes * self.macs_per_pe * self.clock_hz

    @property
    def buffer_bytes(self) -> Mapping[BufferName, int]:
        """Capacity of each buffer."""
        return {name: buffer.capacity_bytes for name, buffer in self.buffers.items()}
