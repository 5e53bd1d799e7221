"""An architecture of Timeloop, its nodes from the outermost inwards, as an accelerator file."""

from dataclasses import field
from typing import Any

from mensa_sim.hardware.files import load_technology
from mensa_sim.hardware.technology.sram import sram_figures
from mensa_sim.io.faults import Location
from mensa_sim.io.files import Raw
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import (
    CLOCK_HZ,
    TECHNOLOGY,
    ForeignFile,
    accelerator_files,
    dims_of,
    stationary_of,
    text_number,
)
from mensa_sim.study.convert.timeloop.constraints import CONSTRAINTS
from mensa_sim.study.convert.timeloop.fanout import CONVOLUTION_NAMES, Naming, axes_of, naming_of
from mensa_sim.study.convert.timeloop.node import ArchitectureNode, nodes_of
from mensa_sim.study.convert.timeloop.storage import level_of, memory_of, whole_number, word_and_row_bits
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import OPERANDS, Operand

SUM_BITS = 32
"""Of a partial sum where neither the MAC nor a level that keeps outputs says it: a choice."""
LARGEST_REGISTERS_BYTES = 512
"""Of register files whose energy the technology's source states (`register_pj_per_bit_byte`)."""
VARIABLES = ("variables", "globals")
BARE = ("name", "serves", "capacity_bytes", "per", "read_pj_per_bit", "write_pj_per_bit", "source")
"""What is said of registers, which have no ports."""


@dataclass(slots=True, kw_only=True)
class ArchitectureParts:
    """What the nodes become, while they are read from the outermost inwards."""

    axes: list[dict[str, Any]] = field(default_factory=list)
    levels: list[dict[str, Any]] = field(default_factory=list)
    """Outermost first."""
    memory: ArchitectureNode | None = None
    array: ArchitectureNode | None = None
    clock_hz: int = 0
    sum_bits: int = 0
    """Of the widest word of a level that keeps outputs."""
    naming: Naming = CONVOLUTION_NAMES


def convert_architecture(file: ForeignFile, *constraints: ForeignFile) -> dict[str, str]:
    """Files of ours by name; constraints may stand in files of their own."""
    parts = ArchitectureParts()
    tree = file.data.get("architecture")
    beside = () if isinstance(tree, dict) and "nodes" in tree else CONSTRAINTS
    apart = [key for each in constraints for key in each.data]
    for key in (*(key for key in file.data if key not in ("architecture", "arch", *VARIABLES)), *apart):
        if key not in ("problem", *beside):
            file.notes.leave((key,))
    for key in VARIABLES:
        _variables(file, key, parts)
    nodes = nodes_of(file, constraints)
    parts.naming = naming_of(file, nodes)
    outermost = next((node for node in nodes if node.component and not (node.computes or node.dummy)), None)
    unnamed = not any("dram" in node.kind for node in nodes)
    if outermost is not None and unnamed and len(_served(file, outermost, parts.naming)) == len(OPERANDS):
        file.notes.choose(f"{outermost.name} is the memory: the outermost, as no class names DRAM")
        parts.memory = outermost
    for node in nodes:
        _read(file, node, parts)
    if parts.memory is None:
        raise file.fault(("architecture", "nodes"), "holds no memory: a component whose class names DRAM")
    if parts.array is None:
        raise file.fault(("architecture", "nodes"), "holds no component whose class computes: intmac, ..., compute")
    if not parts.axes:
        parts.axes.append({"size": 1, "dims": dims_of(0)})
    notes = file.notes
    if not parts.clock_hz:
        notes.choose(f"clock_hz: {CLOCK_HZ}, as no global_cycle_seconds is given")
    notes.choose(f"technology: {TECHNOLOGY}, as the tool's file prices nothing")
    clock_hz = parts.clock_hz or CLOCK_HZ
    levels = _inner_first(file, parts.levels)
    name = file.path.stem
    data: Raw = {
        "name": name,
        "clock_hz": clock_hz,
        "dataflow": {"axes": parts.axes, "stationary": stationary_of(file, levels)},
        **_arithmetic(file, parts.array, parts.sum_bits),
        "levels": levels,
        "default_memory": memory_of(file, parts.memory, clock_hz),
        "source": f"Timeloop, {file.path.name}; converted",
    }
    return accelerator_files(file, data, None, f"Converted from {file.path.name}, an architecture of Timeloop.")


def _read(file: ForeignFile, node: ArchitectureNode, parts: ArchitectureParts) -> None:
    """One node: the axes that it spreads what follows over, and what it is."""
    if "global_cycle_seconds" in node.attributes:
        place = (*node.place, "attributes", "global_cycle_seconds")
        parts.clock_hz = _clock_hz(file, node.attributes["global_cycle_seconds"], place)
    parts.axes += axes_of(file, node, len(parts.axes), parts.naming)
    if not node.component:
        return
    if "dram" in node.kind or node is parts.memory:
        if node is not parts.memory:
            parts.memory = _sole(file, node, parts.memory, "memory")
        if parts.axes or parts.levels:
            raise file.fault(node.place, f"{node.name} becomes the system's memory: outermost, and there once")
        if node.constraints.get("dataspace") and len(_served(file, node, parts.naming)) < len(OPERANDS):
            file.notes.choose(f"{node.name} keeps all operands, as it becomes the system's memory")
    elif node.computes:
        parts.array = _sole(file, node, parts.array, "component that computes")
    elif node.dummy:
        file.notes.leave((f"{node.name} ({node.kind.strip()})",))
    elif serves := _served(file, node, parts.naming):
        parts.levels.append(level_of(file, node, serves, list(range(len(parts.axes)))))
        if "output" in serves:
            parts.sum_bits = max(parts.sum_bits, word_and_row_bits(file, node)[0])
    else:
        file.notes.leave((f"{node.name} (keeps nothing)",))


def _sole(file: ForeignFile, node: ArchitectureNode, before: ArchitectureNode | None, what: str) -> ArchitectureNode:
    if before is not None:
        raise file.fault(node.place, f"{node.name} is a second {what}, after {before.name}; an accelerator has one")
    return node


def _clock_hz(file: ForeignFile, seconds: Any, place: Location) -> int:
    number = text_number(seconds)
    if number is None or not 1e-15 <= number <= 1:
        raise file.fault(place, f"{str(seconds)[:40]!r} is not a cycle's seconds")
    return round(1 / number)


def _variables(file: ForeignFile, key: str, parts: ArchitectureParts) -> None:
    """The clock, which files of version 0.4 state among their variables."""
    given = file.data.get(key)
    for name, value in given.items() if isinstance(given, dict) else ():
        if name == "global_cycle_seconds":
            parts.clock_hz = _clock_hz(file, value, (key, name))
        elif name != "version":
            file.notes.leave((key, name))


def _inner_first(file: ForeignFile, levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Innermost first; a register file with nothing inside it has no ports to wait for."""
    found: list[dict[str, Any]] = []
    inside: set[str] = set()
    for level in reversed(levels):
        of_ports, in_vain = level.pop("of_ports"), level.pop("in_vain")
        if level.pop("registers") and not inside & set(level["serves"]):
            for attribute in in_vain:
                file.notes.leave((level["name"], "attributes", attribute))
            found.append(_bare(file, level))
        else:
            for text in of_ports:
                file.notes.choose(text)
            found.append(level)
        inside |= set(level["serves"])
    return found


def _bare(file: ForeignFile, level: dict[str, Any]) -> dict[str, Any]:
    bare = {key: level[key] for key in BARE if key in level}
    capacity_bytes, row_bits = level["capacity_bytes"], level["min_bits"]
    if "read_pj_per_bit" not in bare and capacity_bytes > LARGEST_REGISTERS_BYTES:
        file.notes.choose(
            f"{level['name']}: the energy of an SRAM, as it holds more than {LARGEST_REGISTERS_BYTES} bytes"
        )
        figures = sram_figures(load_technology(TECHNOLOGY), capacity_bytes, row_bits)
        source = f"{TECHNOLOGY}: an SRAM of {capacity_bytes} bytes, {row_bits} bits wide"
        bare |= {"read_pj_per_bit": figures.read_pj / row_bits, "write_pj_per_bit": figures.write_pj / row_bits}
        bare["source"] = source
    return bare


def _served(file: ForeignFile, node: ArchitectureNode, naming: Naming) -> list[Operand]:
    """What it keeps: what the constraint says, else all that it does not bypass."""
    constraint = node.constraints.get("dataspace", {})
    place: Location = (*node.place, "constraints", "dataspace")
    kept = _operands(file, constraint.get("keep_only", constraint.get("keep")), naming, place)
    passed = _operands(file, constraint.get("bypass"), naming, place)
    if not (kept or passed):
        file.notes.choose(f"{node.name} keeps all operands, as no constraint says which")
    return [operand for operand in OPERANDS if (operand in kept if kept else operand not in passed)]


def _operands(file: ForeignFile, names: Any, naming: Naming, place: Location) -> set[Operand]:
    given = names if isinstance(names, list) else [] if names is None else [names]
    unknown = [name for name in given if str(name).lower() not in naming.operands]
    if unknown:
        known = ", ".join(name.capitalize() for name in naming.operands)
        raise file.fault(place, f"{str(unknown[0])[:40]!r} is none of {known}")
    return {naming.operands[str(name).lower()] for name in given}


def _arithmetic(file: ForeignFile, node: ArchitectureNode, sum_bits: int) -> dict[str, Any]:
    """Widths of a MAC and of a sum, where the component states them; else sums fill the words of their levels."""
    names = {"operand_bits": ("multiplier_width", "datawidth"), "accumulator_bits": ("adder_width",)}
    found: dict[str, Any] = {}
    for ours, theirs in names.items():
        stated = next((name for name in theirs if name in node.attributes), None)
        if stated is not None:
            found[ours] = whole_number(file, node, stated)
    if "operand_bits" not in found:
        file.notes.choose(f"operand_bits: {BITS_PER_BYTE}, as no multiplier_width is given")
    if "accumulator_bits" not in found:
        found["accumulator_bits"] = sum_bits or SUM_BITS
        what = "the widest word that keeps outputs, " if sum_bits else ""
        file.notes.choose(f"accumulator_bits: {found['accumulator_bits']}, {what}as no adder_width is given")
    return found
