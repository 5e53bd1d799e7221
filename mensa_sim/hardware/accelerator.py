"""An accelerator: its array of PEs, how it walks a loop nest, and what stands between array and memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from mensa_sim.errors import UsageError
from mensa_sim.hardware.memory import MemoryEntry
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.names import check_folder_name

Operand = Literal["weight", "input", "output"]
BufferName = Literal["parameter", "activation"]

OPERANDS: tuple[Operand, ...] = ("weight", "input", "output")
BUFFERS: tuple[BufferName, ...] = ("parameter", "activation")
DIMS = ("B", "G", "K", "C", "OY", "OX", "FY", "FX")
FLATTENED = ({"OX", "OY"}, {"FX", "FY"})
"""Dims that an axis may unroll as one."""


def _at_least(record: str, minimum: float, **values: float) -> None:
    for name, value in values.items():
        if not value >= minimum:
            raise ValueError(f"{record}: {name} is {value}, must be at least {minimum}")


@cache
def split_dims(entry: str) -> tuple[str, ...]:
    """The dims of one entry of an axis; `A*B` is the two flattened.

    >>> split_dims("OX*OY")
    ('OX', 'OY')
    """
    dims = tuple(part.strip() for part in entry.split("*"))
    for dim in dims:
        if dim not in DIMS:
            raise ValueError(f"unknown dim {dim!r} in {entry!r}; choose from {', '.join(DIMS)}")
    return dims


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of the PE array: filled with its dims in order until full; what does not fill it idles."""

    size: int
    dims: tuple[str, ...]

    def __post_init__(self) -> None:
        _at_least("axis", 1, size=self.size)
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
        _at_least("hop", 1, cycles=self.cycles)
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
        _at_least("dataflow", 1, depthwise_tap_slots=self.depthwise_tap_slots)
        _at_least("dataflow", 1, depthwise_slot_cycles=self.depthwise_slot_cycles)
        if self.pipeline_cycles is not None:
            _at_least("dataflow", 0, pipeline_cycles=self.pipeline_cycles)
        for entry in self.pe_dims:
            split_dims(entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The register file of one operand at a PE, or shared by the PEs along some dims."""

    bytes: int
    shared_along: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _at_least("register", 1, bytes=self.bytes)
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
        _at_least(
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
class VectorUnit:
    """The unit for elementwise work: one operation per lane and cycle."""

    lanes: int

    def __post_init__(self) -> None:
        _at_least("vector unit", 1, lanes=self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerGating:
    """What an idle accelerator still draws when its supply is cut, and how long it takes to come back."""

    residual: float
    """Share of the leakage power that remains."""
    wake_up_ps: int
    source: str

    def __post_init__(self) -> None:
        _at_least("power_gating", 0, residual=self.residual, wake_up_ps=self.wake_up_ps)
        if self.residual > 1:
            raise ValueError(f"power_gating: residual is {self.residual}, must be at most 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One accelerator, as its file describes it: a PE array with its buffers, or a device with measured timings."""

    name: str
    placement: str
    """Where it stands, for people and for the choice of technology: `cpu_die`, `memory_logic_layer`, ..."""
    technology: str
    """Path of its technology file, relative to the file that names it; resolved by the reader."""
    clock_hz: int
    dataflow: Dataflow | None = None
    """Absent for a measured accelerator; `array` is the dataflow of one that has a PE array."""
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
    default_memory: MemoryEntry | None = None
    """The memory of the system that bears the accelerator's own name and holds nothing else."""
    power_gating: PowerGating | None = None
    """Absent: the accelerator leaks while the system is on."""
    refuses: tuple[str, ...] = ()
    """Operators that it cannot run."""
    timings: str | None = None
    """A measured accelerator's timing table, in place of a PE array: a path like `technology`."""
    timings_dtype: str | None = None
    """Element type of the timings to use, where the table has several."""
    macs_per_s: int | None = None
    """Peak rate of a measured accelerator, as its datasheet says."""
    power_mw: Constant | None = None
    """Power of a measured accelerator at work, where its table holds no energies."""
    idle_mw: Constant | None = None
    """Power of a measured accelerator that waits."""
    source: str = ""
    """The publications that the figures of this file come from."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        _at_least(
            self.name,
            1,
            clock_hz=self.clock_hz,
            macs_per_pe=self.macs_per_pe,
            operand_bits=self.operand_bits,
            accumulator_bits=self.accumulator_bits,
        )
        faults = self._array_faults() if self.dataflow else []
        if (self.dataflow is None) == (self.timings is None):
            faults.append("needs either dataflow (a PE array) or timings (a measured device)")
        if (self.timings is None) != (self.macs_per_s is None):
            faults.append("timings and macs_per_s go together")
        if self.power_mw is not None and not self.power_mw.value > (self.idle_mw.value if self.idle_mw else 0):
            faults.append("power_mw must be above 0, and above idle_mw")
        if faults:
            raise ValueError(f"{self.name}: {'; '.join(faults)}")

    def _array_faults(self) -> list[str]:
        """What is wrong between the axes, and between them and the MACs of a PE."""
        faults = []
        if self.macs_per_pe == 1 and self.array.pe_dims:
            faults.append("dataflow has pe_dims, so macs_per_pe must be above 1")
        entries = dict.fromkeys(entry for axis in self.unrolled_axes for entry in axis.dims)
        holder: dict[str, str] = {}
        for entry in entries:
            members = split_dims(entry)
            if len(members) > 1 and set(members) not in FLATTENED:
                faults.append(f"dataflow: {entry} cannot be flattened; only OX*OY and FX*FY can")
            for member in members:
                if holder.setdefault(member, entry) != entry:
                    faults.append(f"dataflow: {member} stands both in {holder[member]} and in {entry}")
        return faults

    @property
    def array(self) -> Dataflow:
        """The dataflow of the PE array; `UsageError` for a measured accelerator."""
        if self.dataflow is None:
            raise UsageError(f"{self.name}: is measured, so it has no PE array")
        return self.dataflow

    @property
    def tile_copies(self) -> int:
        """Tiles of an operand that a buffer holds at once: the one in use, and under double buffering the next."""
        return 2 if self.array.overlap and not self.array.refill_in_place else 1

    @property
    def pes(self) -> int:
        """Processing elements of the array."""
        count = 1
        for axis in self.array.axes:
            count *= axis.size
        return count

    @property
    def unrolled_axes(self) -> tuple[Axis, ...]:
        """The axes of the array and, where a PE holds several MACs, those of one PE as the last axis."""
        if self.macs_per_pe == 1:
            return self.array.axes
        dims = self.array.pe_dims or tuple(dict.fromkeys(d for a in reversed(self.array.axes) for d in a.dims))
        return (*self.array.axes, Axis(size=self.macs_per_pe, dims=dims))

    @property
    def peak_macs_per_s(self) -> int:
        """Multiply-accumulates per second with every PE busy, or as a measured device's datasheet says."""
        if self.macs_per_s is not None:
            return self.macs_per_s
        return self.pes * self.macs_per_pe * self.clock_hz
