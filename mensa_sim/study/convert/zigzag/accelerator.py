"""An accelerator of ZigZag, its array and its memories, as an accelerator file with a technology of its own.

Before version 3.5 the tool wrote ports by number, widths by direction, and `multipliers`.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Literal

from mensa_sim.io.faults import Location
from mensa_sim.io.files import Raw
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import (
    CLOCK_HZ,
    MEMORY_KIND,
    TECHNOLOGY,
    ForeignFile,
    accelerator_files,
    bare_technology,
    dims_of,
    in_newer_words,
    stationary_of,
)
from mensa_sim.study.convert.zigzag.mapping import Spatial, spatial_of
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import OPERANDS

_ARRAY = {"multiplier_energy": "unit_energy", "multiplier_area": "unit_area"}
_PORTS = {"r_port": ("read", "r"), "w_port": ("write", "w"), "rw_port": ("read_write", "r")}
"""Type of each kind of port, and the letter of the widths that it has."""
MAX_PORTS = 64
_OLDER = ("r_bw", "w_bw", "min_r_granularity", "min_w_granularity", *_PORTS)


def renewed(file: ForeignFile) -> dict[str, Any]:
    """The same accelerator in the words of later versions; what is in these already stays."""
    data = in_newer_words(file.data, {"multipliers": "operational_array"})
    array, memories = data.get("operational_array"), data.get("memories")
    if isinstance(array, dict):
        data["operational_array"] = in_newer_words(array, _ARRAY)
    if isinstance(memories, dict):
        data["memories"] = {name: _memory(file, name, memory) for name, memory in memories.items()}
    return data


def _memory(file: ForeignFile, name: str, memory: Any) -> Any:
    if not isinstance(memory, dict) or "r_bw" not in memory:
        return memory
    both = _widths(memory, "r")
    ports = [
        {"name": f"{kind}_{index + 1}", "type": direction, **_widths(memory, letter)}
        for kind, (direction, letter) in _PORTS.items()
        for index in range(_count(file, ("memories", name, kind), memory.get(kind, 0)))
    ]
    if not ports:  # the tool's own tpu_like counts none, though its operands name one
        ports = [{"name": "rw_port_1", "type": "read_write", **both}]
        file.notes.choose(f"{name}: one port that reads and writes, as the file counts none")
    if "w_bw" in memory and both != _widths(memory, "w") and any(port["type"] == "read_write" for port in ports):
        file.notes.choose(f"{name}: a port that reads and writes has the widths of its reads both ways")
    return {key: value for key, value in memory.items() if key not in _OLDER} | {"ports": ports}


def _count(file: ForeignFile, place: Location, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PORTS:
        raise file.fault(place, f"must be a whole number from 0 to {MAX_PORTS}, not {value!r:.40}")
    return value


def _widths(memory: dict[str, Any], letter: str) -> dict[str, Any]:
    widest = memory.get(f"{letter}_bw")
    return {"bandwidth_min": memory.get(f"min_{letter}_granularity", widest), "bandwidth_max": widest}


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

    def widths(self, direction: str) -> list[ZigZagPort]:
        """The ports that go in a direction, the widest first."""
        ports = [port for port in self.ports if port.type in (direction, "read_write")]
        return sorted(ports, key=lambda port: -port.bandwidth_max)


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


def convert_accelerator(file: ForeignFile, mapping: ForeignFile | None = None) -> dict[str, str]:
    """Files of ours by name; the last memory becomes the system's, which must serve all operands."""
    core, spatial = file.record(renewed(file), ZigZagAccelerator), spatial_of(mapping)
    array, notes = core.operational_array, file.notes
    if not core.memories:
        raise file.fault(("memories",), "is empty")
    *inner, (outermost, memory) = core.memories.items()
    if len(set(memory.operands)) < len(OPERANDS):
        raise file.fault(("memories", outermost), "the last memory must serve I1, I2 and O: it becomes the system's")
    name = core.name.strip() or file.path.stem
    source = f"ZigZag, {file.path.name}"
    axes = _axes(file, array, spatial)
    levels = _levels(file, inner, [axis for axis, _ in axes], spatial)
    port, _ = _widest(file, outermost, memory)
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
    file: ForeignFile, memories: Sequence[tuple[str, ZigZagMemory]], dimensions: Sequence[str], spatial: Spatial
) -> list[dict[str, Any]]:
    """Register files are those that stand in the array with nothing inside them; the others are SRAMs."""
    levels: list[dict[str, Any]] = []
    inside: set[str] = set()
    for name, memory in memories:
        unknown = sorted(set(memory.served_dimensions) - set(dimensions))
        if unknown:
            raise file.fault(("memories", name, "served_dimensions"), f"no axis is called {', '.join(unknown)}")
        per = [index for index, axis in enumerate(dimensions) if axis not in memory.served_dimensions]
        served = {spatial.operands[each] for each in memory.operands}
        level: dict[str, Any] = {
            "name": name,
            "serves": [operand for operand in OPERANDS if operand in served],
            "capacity_bytes": memory.size // BITS_PER_BYTE,
            **({"per": per} if per else {}),
        }
        element_bits = 0
        if not per or inside & served:
            level |= _ports(file, name, memory)
        else:
            element_bits = ACCUMULATOR_BITS if "output" in served else BITS_PER_BYTE
            if memory.priced and memory.widths("read")[0].bandwidth_min > element_bits:
                file.notes.choose(
                    f"{name}: an access moves one element of {element_bits} bits, at the full width's cost"
                )
        levels.append(level | _energies(memory, f"ZigZag, {file.path.name}, {name}", element_bits))
        inside |= served
    return levels


def _widest(file: ForeignFile, name: str, memory: ZigZagMemory) -> tuple[ZigZagPort, ZigZagPort]:
    """The port that reads and the one that writes, as a level and a memory of ours have one each; or one for both."""
    read, write = memory.widths("read")[0], memory.widths("write")[0]
    if len(memory.ports) > len({read, write}):
        widths = f"{read.bandwidth_max} bits" + (f" and {write.bandwidth_max} bits" if read is not write else "")
        file.notes.choose(f"{name}: of its {len(memory.ports)} ports the widest that reads and writes counts, {widths}")
    return read, write


def _ports(file: ForeignFile, name: str, memory: ZigZagMemory) -> dict[str, Any]:
    read, write = _widest(file, name, memory)
    return {
        "read_bits": read.bandwidth_max,
        "write_bits": write.bandwidth_max,
        "min_bits": min(port.bandwidth_min for port in memory.ports),
        **({"ports": "rw"} if read is write else {}),
        "double_buffered": memory.force_double_buffering,
    }


def _energies(memory: ZigZagMemory, source: str, element_bits: int = 0) -> dict[str, Any]:
    """Energies per bit, where the file has any; a register file, which the tool reads by elements, spreads an access
    over one."""
    if not memory.priced or memory.r_cost is None or memory.w_cost is None:
        return {}
    read, write = memory.widths("read")[0], memory.widths("write")[0]
    return {
        "read_pj_per_bit": memory.r_cost / (min(element_bits, read.bandwidth_min) or read.bandwidth_max),
        "write_pj_per_bit": memory.w_cost / (min(element_bits, write.bandwidth_min) or write.bandwidth_max),
        "source": f"{source}: {memory.r_cost} pJ per read, {memory.w_cost} pJ per write of the full width",
    }
