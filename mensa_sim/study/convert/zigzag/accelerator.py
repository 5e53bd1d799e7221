"""An accelerator of ZigZag, its array and its memories, as an accelerator file with a technology of its own."""

from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import Any, Literal

from mensa_sim.io.files import Raw
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import (
    CLOCK_HZ,
    MEMORY_KIND,
    TECHNOLOGY,
    ForeignFile,
    accelerator_files,
    bare_technology,
    dims_of,
    stationary_of,
)
from mensa_sim.study.convert.zigzag.mapping import Spatial, spatial_of
from mensa_sim.study.convert.zigzag.older import renewed
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import OPERANDS, Operand, relevant

ACCUMULATOR_BITS = 16
"""Of partial sums, where the workload states none: what the tool's own workloads have."""
_MEMORY_KIND = "zigzag_memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagPort:
    """A port of a memory: its direction, and the bits of its smallest and its largest access."""

    type: Literal["read", "write", "read_write"]
    bandwidth_min: int
    bandwidth_max: int
    name: str = ""
    allocation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.bandwidth_min <= self.bandwidth_max:
            raise ValueError(f"bandwidth_min {self.bandwidth_min} and bandwidth_max {self.bandwidth_max} are no widths")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagMemory:
    """One memory, of any level; it lies in the file between those inside it and those outside."""

    size: int
    """Bits of an instance."""
    operands: tuple[Literal["I1", "I2", "O"], ...]
    ports: tuple[ZigZagPort, ...]
    served_dimensions: tuple[str, ...]
    """Axes along which one instance serves all lanes."""
    r_cost: float | None = None
    """pJ of an access of the full width; may be left out where the tool has CACTI work it out."""
    w_cost: float | None = None
    auto_cost_extraction: bool = False
    force_double_buffering: bool = False

    def __post_init__(self) -> None:
        if self.size < BITS_PER_BYTE:
            raise ValueError(f"size is {self.size} bits, must be at least a byte")
        for name in ("r_cost", "w_cost"):
            if getattr(self, name) is None and not self.auto_cost_extraction:
                raise ValueError(f"{name}: is required without auto_cost_extraction")
        if not min(self.r_cost or 0, self.w_cost or 0) >= 0:
            raise ValueError("r_cost and w_cost must not be negative")
        if not self.widths("read") or not self.widths("write"):
            raise ValueError("ports: needs one that reads and one that writes")

    @property
    def priced(self) -> bool:
        """Whether the file says what its accesses cost: where the tool asks CACTI, it reads no costs from the file."""
        return not self.auto_cost_extraction

    @property
    def apart(self) -> bool:
        """Whether each of its operands has a port of its own to read and one to write, all of these as wide."""
        used = [(port.type, *{move.split(",")[0] for move in port.allocation}) for port in self.ports]
        needed = [(way, operand) for way in ("read", "write") for operand in self.operands]
        widths = {(port.type, port.bandwidth_min, port.bandwidth_max) for port in self.ports}
        return len(self.operands) > 1 and sorted(used) == sorted(needed) and len(widths) == 2

    def widths(self, direction: str) -> list[ZigZagPort]:
        """The ports that go in a direction, the widest first; of these, those that go in no other."""
        ports = [port for port in self.ports if port.type in (direction, "read_write")]
        return sorted(ports, key=lambda port: (-port.bandwidth_max, port.type != direction))


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagArray:
    """The MACs."""

    dimensions: tuple[str, ...]
    sizes: tuple[int, ...]
    unit_energy: float = 0.0
    input_precision: tuple[int, int] | None = None
    is_imc: bool = False

    def __post_init__(self) -> None:
        if self.is_imc:
            raise ValueError("is_imc: computing in memory has no equivalent")
        if len(self.dimensions) != len(self.sizes) or not self.sizes:
            raise ValueError("dimensions and sizes differ in length, or are empty")
        if repeated(self.dimensions):
            raise ValueError(f"dimensions names {', '.join(repeated(self.dimensions))} twice")
        if min(self.sizes) < 1:
            raise ValueError(f"sizes {list(self.sizes)} holds one below 1")
        if not self.unit_energy >= 0:
            raise ValueError("unit_energy must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagAccelerator:
    """A core as its file describes it."""

    name: str
    memories: Mapping[str, ZigZagMemory]
    operational_array: ZigZagArray
    dataflows: Mapping[str, tuple[str, ...]] | None = None
    """What cores of Stream say of their axes, as a mapping file would."""


def convert_accelerator(file: ForeignFile, mapping: ForeignFile | None = None) -> dict[str, str]:
    """Files of ours by name; the last memory becomes the system's, which must serve all operands."""
    core = file.record(renewed(file), ZigZagAccelerator)
    spatial = spatial_of(file, core.dataflows, mapping)
    array, notes = core.operational_array, file.notes
    if not core.memories:
        raise file.fault(("memories",), "is empty")
    *inner, (outermost, memory) = core.memories.items()
    if len(set(memory.operands)) < len(OPERANDS):
        raise file.fault(("memories", outermost), "the last memory must serve I1, I2 and O: it becomes the system's")
    name = core.name.strip() or file.path.stem
    source = f"ZigZag, {file.path.name}"
    axes = _axes(file, array, spatial)
    levels = _levels(file, inner, axes, spatial)
    port, writes = _widest(file, outermost, memory)
    unpriced = [each for each, own in core.memories.items() if not own.priced]
    notes.choose(f"clock_hz: {CLOCK_HZ}, as the tool counts cycles")
    if unpriced:
        notes.choose(f"technology: {TECHNOLOGY} prices MACs and {', '.join(unpriced)}, where the tool asks CACTI")
        if array.unit_energy:
            notes.leave(("operational_array", "unit_energy"))
        for each in dict.fromkeys((*unpriced, outermost)):
            for cost in ("r_cost", "w_cost"):
                if getattr(core.memories[each], cost) is not None:
                    notes.leave(("memories", each, cost))
    elif not array.unit_energy:
        notes.choose("a MAC takes no energy, as the file states no unit_energy")
    notes.choose(f"accumulator_bits: {ACCUMULATOR_BITS}, where a workload states none")
    notes.choose(
        f"{outermost}, the last of the file, is the system's memory, which holds more than its {memory.size} bits"
    )
    if writes is not port:
        notes.choose(f"{outermost}: reads and writes share the {port.bandwidth_max} bits of its reads in a cycle")
    if set(memory.served_dimensions) != set(array.dimensions):
        notes.choose(f"{outermost} stands once, though its served_dimensions name some axes alone")
    data: Raw = {
        "name": name,
        "clock_hz": CLOCK_HZ,
        "dataflow": {
            "axes": [data for _, data in axes],
            "stationary": stationary_of(file, levels, what=" elements", sum_bits=ACCUMULATOR_BITS),
            "pipeline_cycles": 0,
        },
        "accumulator_bits": ACCUMULATOR_BITS,
        **({"operand_bits": max(array.input_precision)} if array.input_precision else {}),
        "levels": levels,
        "default_memory": {
            "kind": MEMORY_KIND if unpriced else _MEMORY_KIND,
            "bandwidth_bytes_per_s": port.bandwidth_max * CLOCK_HZ // BITS_PER_BYTE,
            "efficiency": 1.0,
            "word_bits": port.bandwidth_min,
        },
        "source": f"{source}; converted",
    }
    energies = _energies(memory, source)
    technology = None
    if not unpriced:
        kinds = {_MEMORY_KIND: (energies["read_pj_per_bit"], energies["write_pj_per_bit"])}
        technology = bare_technology(name, source, array.unit_energy, kinds)
    return accelerator_files(file, data, technology, f"Converted from {file.path.name}, an accelerator of ZigZag.")


def _axes(file: ForeignFile, array: ZigZagArray, spatial: Spatial) -> list[tuple[str, dict[str, Any]]]:
    """Axes of ours, each with the one of the array that it is, or is a part of: a dim with lanes of its own is one."""
    for part, said in (("spatial_mapping", spatial.axes), ("spatial_mapping_hint", spatial.hints)):
        for axis in said:
            if axis not in array.dimensions or (said is spatial.hints and spatial.axes.get(axis)):
                file.notes.leave(("[default]", part, axis))
    axes: list[tuple[str, dict[str, Any]]] = []
    for axis, size in zip(array.dimensions, array.sizes, strict=True):
        given, hinted = spatial.axes.get(axis, ()), spatial.hints.get(axis, ())
        if not given:
            dims = list(hinted) or dims_of(len(axes))
            axes.append((axis, {"size": size, "dims": dims}))
            if not hinted:
                file.notes.choose(f"axis {axis} unrolls {' and '.join(dims)}, as no mapping file says what")
            continue
        lanes = prod(count for _, count in given)
        if lanes > size:
            file.notes.choose(f"axis {axis} has its {size} lanes, though the mapping fills {lanes}")
            axes.append((axis, {"size": size, "dims": [dim for dim, _ in given]}))
            continue
        if lanes < size:
            file.notes.choose(f"axis {axis} has the {lanes} lanes that the mapping fills, of {size}")
        filled = [each for each in given if each[1] > 1] or given[:1]
        axes += [(axis, {"size": count, "dims": [dim]}) for dim, count in filled]
    return axes


def _levels(
    file: ForeignFile,
    memories: Sequence[tuple[str, ZigZagMemory]],
    axes: Sequence[tuple[str, dict[str, Any]]],
    spatial: Spatial,
) -> list[dict[str, Any]]:
    """Register files are those that stand in the array with nothing inside them; the others are SRAMs."""
    levels: list[dict[str, Any]] = []
    inside: set[str] = set()
    for name, memory in memories:
        unknown = sorted(set(memory.served_dimensions) - {axis for axis, _ in axes})
        if unknown:
            raise file.fault(("memories", name, "served_dimensions"), f"no axis is called {', '.join(unknown)}")
        per = [index for index, (axis, _) in enumerate(axes) if axis not in memory.served_dimensions]
        serves = [operand for operand in OPERANDS if operand in {spatial.operands[each] for each in memory.operands}]
        level: dict[str, Any] = {
            "name": name,
            "serves": serves,
            "capacity_bytes": memory.size // BITS_PER_BYTE,
            **({"per": per} if per else {}),
        }
        at_once_bits = 0
        if not per or inside & set(serves):
            level |= _ports(file, name, memory)
        else:
            served = [data for index, (_, data) in enumerate(axes) if index not in per]
            at_once_bits = max(_at_once_bits(operand, served) for operand in serves)
            port = memory.widths("read")[0]
            if memory.force_double_buffering:
                file.notes.leave(("memories", name, "force_double_buffering"))
            if port.bandwidth_max < at_once_bits:
                file.notes.choose(f"{name}: no wait for ports of {port.bandwidth_max} bits that move {at_once_bits}")
            elif memory.priced and port.bandwidth_min > at_once_bits:
                file.notes.choose(f"{name}: an access moves {at_once_bits} bits, at the cost of {port.bandwidth_min}")
        levels.append(level | _energies(memory, f"ZigZag, {file.path.name}, {name}", at_once_bits))
        inside |= set(serves)
    return levels


def _at_once_bits(operand: Operand, served: Sequence[dict[str, Any]]) -> int:
    """What an access of a register file moves: an element for each lane around it that has one of its own."""
    lanes: int = prod(axis["size"] for axis in served if any(relevant(operand, dim) for dim in axis["dims"]))
    return lanes * (ACCUMULATOR_BITS if operand == "output" else BITS_PER_BYTE)


def _widest(file: ForeignFile, name: str, memory: ZigZagMemory) -> tuple[ZigZagPort, ZigZagPort]:
    """The port that reads and the one that writes, as a level and a memory of ours have one each; or one for both."""
    read = memory.widths("read")[0]
    write = max(memory.widths("write"), key=lambda port: (port.bandwidth_max, port is not read))
    widths = f"{read.bandwidth_max} bits" + (f" and {write.bandwidth_max} bits" if read is not write else "")
    if len(memory.ports) > (1 if read is write else 2) and not memory.apart:
        file.notes.choose(f"{name}: of its {len(memory.ports)} ports the widest that reads and writes counts, {widths}")
    elif read is not write and "read_write" in (read.type, write.type):
        file.notes.choose(f"{name}: one port reads and one writes, {widths}, though one of them does either")
    return read, write


def _ports(file: ForeignFile, name: str, memory: ZigZagMemory) -> dict[str, Any]:
    read, write = _widest(file, name, memory)
    smallest = min(read.bandwidth_min, write.bandwidth_min)
    if read.bandwidth_min != write.bandwidth_min:
        file.notes.choose(f"{name}: its smallest access has {smallest} bits both ways")
    return {
        "read_bits": read.bandwidth_max,
        "write_bits": write.bandwidth_max,
        "min_bits": smallest,
        **({"ports": "rw"} if read is write else {"ports": "per_operand"} if memory.apart else {}),
        "double_buffered": memory.force_double_buffering,
    }


def _energies(memory: ZigZagMemory, source: str, at_once_bits: int = 0) -> dict[str, Any]:
    """Energies per bit, where the file has any; of a register file, those of a bit of what it moves at once."""
    if not memory.priced or memory.r_cost is None or memory.w_cost is None:
        return {}
    return {
        "read_pj_per_bit": _pj_per_bit(memory.r_cost, memory.widths("read")[0], at_once_bits),
        "write_pj_per_bit": _pj_per_bit(memory.w_cost, memory.widths("write")[0], at_once_bits),
        "source": f"{source}: {memory.r_cost} pJ per read, {memory.w_cost} pJ per write of the full width",
    }


def _pj_per_bit(full_pj: float, port: ZigZagPort, at_once_bits: int) -> float:
    """An access is of whole smallest ones, each at its share of the full width (`calc_memory_word_access` there)."""
    if not at_once_bits:
        return full_pj / port.bandwidth_max
    charged_bits = ceil(at_once_bits / port.bandwidth_min) * port.bandwidth_min
    return full_pj * (charged_bits / (port.bandwidth_max * at_once_bits))
