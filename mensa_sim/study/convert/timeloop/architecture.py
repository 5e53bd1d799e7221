"""An architecture of Timeloop, its nodes from the outermost inwards, as an accelerator file."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from mensa_sim.io.faults import Location
from mensa_sim.io.files import Raw
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import (
    CLOCK_HZ,
    MEMORY_KIND,
    TECHNOLOGY,
    ForeignFile,
    accelerator_files,
    dims_of,
    stationary_of,
    text_number,
)
from mensa_sim.study.convert.timeloop.fanout import axes_of
from mensa_sim.study.convert.timeloop.node import ArchitectureNode, nodes_of
from mensa_sim.study.convert.timeloop.older import CONSTRAINTS
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import OPERANDS, Operand

DATASPACES: Mapping[str, Operand] = {"weights": "weight", "inputs": "input", "outputs": "output"}
VARIABLES = ("variables", "globals")
REGISTERS = ("regfile", "_rf", "register", "reg_")
"""What classes of register files have in their names."""
WORD_BITS = 16
"""A word where none is stated (`kDefaultWordBits` of the tool's `buffer.hpp`)."""
WORKED_OUT = "parsed-processed-input.yaml"
"""The file beside the tool's results in which templates and expressions are worked out."""
ROOM = 2**53
"""Whole numbers that a file's numbers hold exactly."""


@dataclass(slots=True, kw_only=True)
class ArchitectureParts:
    """What the nodes become, while they are read from the outermost inwards."""

    axes: list[dict[str, Any]] = field(default_factory=list)
    levels: list[dict[str, Any]] = field(default_factory=list)
    """Outermost first."""
    memory: ArchitectureNode | None = None
    array: ArchitectureNode | None = None
    clock_hz: int = 0


def convert_architecture(file: ForeignFile) -> dict[str, str]:
    """Files of ours by name."""
    parts = ArchitectureParts()
    tree = file.data["architecture"]
    beside = CONSTRAINTS if isinstance(tree, dict) and "subtree" in tree else ()
    for key in file.data:
        if key not in ("architecture", "problem", *VARIABLES, *beside):
            file.notes.leave((key,))
    for key in VARIABLES:
        _variables(file, key, parts)
    nodes = nodes_of(file)
    outermost = next((node for node in nodes if node.component and not (node.computes or node.dummy)), None)
    unnamed = not any("dram" in node.kind for node in nodes)
    if outermost is not None and unnamed and len(_served(file, outermost)) == len(OPERANDS):
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
    notes.choose(f"technology: {TECHNOLOGY}, as the tool's file prices nothing; memory: {MEMORY_KIND}")
    clock_hz = parts.clock_hz or CLOCK_HZ
    levels = _inner_first(parts.levels)
    name = file.path.stem
    data: Raw = {
        "name": name,
        "clock_hz": clock_hz,
        "dataflow": {"axes": parts.axes, "stationary": stationary_of(file, levels)},
        **_arithmetic(file, parts.array),
        "levels": levels,
        "default_memory": _memory(file, parts.memory, clock_hz),
        "source": f"Timeloop, {file.path.name}; converted",
    }
    return accelerator_files(file, data, None, f"Converted from {file.path.name}, an architecture of Timeloop.")


def _read(file: ForeignFile, node: ArchitectureNode, parts: ArchitectureParts) -> None:
    """One node: the axes that it spreads what follows over, and what it is."""
    if "global_cycle_seconds" in node.attributes:
        place = (*node.place, "attributes", "global_cycle_seconds")
        parts.clock_hz = _clock_hz(file, node.attributes["global_cycle_seconds"], place)
    parts.axes += axes_of(file, node, len(parts.axes))
    if not node.component or node is parts.memory:
        return
    if "dram" in node.kind:
        parts.memory = _sole(file, node, parts.memory, "memory")
    elif node.computes:
        parts.array = _sole(file, node, parts.array, "component that computes")
    elif node.dummy:
        file.notes.leave((f"{node.name} ({node.kind})",))
    else:
        parts.levels.append(_level(file, node, list(range(len(parts.axes)))))


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


def _level(file: ForeignFile, node: ArchitectureNode, per: list[int]) -> dict[str, Any]:
    word_bits, width = _widths(file, node)
    in_words = "entries" in node.attributes
    bits = _bits(file, node, "entries") * word_bits if in_words else _bits(file, node, "depth") * width
    reads = _bandwidth(file, node, "read_bandwidth", word_bits, width)
    writes = _bandwidth(file, node, "write_bandwidth", word_bits, width)
    double = node.attributes.get("multiple_buffering", 1) not in (1, 1.0)
    return {
        "name": node.name,
        "serves": _served(file, node),
        "capacity_bytes": max(bits // BITS_PER_BYTE, 1),
        **({"per": per} if per else {}),
        "read_bits": reads,
        "write_bits": writes,
        "min_bits": min(width, reads, writes),
        "double_buffered": double,
        "registers": any(mark in node.kind for mark in REGISTERS),
    }


def _inner_first(levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Innermost first; a register file with nothing inside it has no ports to wait for."""
    found: list[dict[str, Any]] = []
    inside: set[str] = set()
    for level in reversed(levels):
        registers = level.pop("registers") and not inside & set(level["serves"])
        bare = {key: level[key] for key in ("name", "serves", "capacity_bytes", "per") if key in level}
        found.append(bare if registers else level)
        inside |= set(level["serves"])
    return found


def _served(file: ForeignFile, node: ArchitectureNode) -> list[Operand]:
    """What it keeps: what the constraint says, else all that it does not bypass."""
    constraint = node.constraints.get("dataspace", {})
    place: Location = (*node.place, "constraints", "dataspace")
    kept = _operands(file, constraint.get("keep_only", constraint.get("keep")), place)
    passed = _operands(file, constraint.get("bypass"), place)
    serves = [operand for operand in OPERANDS if (operand in kept if kept else operand not in passed)]
    if not serves:
        raise file.fault(place, "keeps nothing: leave the component out")
    return serves


def _operands(file: ForeignFile, names: Any, place: Location) -> set[Operand]:
    given = names if isinstance(names, list) else [] if names is None else [names]
    unknown = [name for name in given if str(name).lower() not in DATASPACES]
    if unknown:
        raise file.fault(place, f"{str(unknown[0])[:40]!r} is none of Weights, Inputs, Outputs")
    return {DATASPACES[str(name).lower()] for name in given}


def _widths(file: ForeignFile, node: ArchitectureNode) -> tuple[int, int]:
    """Bits of a word and of a row: a row is a block of words where the file states none, as the tool has it."""
    word_bits = _chosen(file, node, "datawidth", WORD_BITS)
    block = _bits(file, node, "block_size") if "block_size" in node.attributes else 1
    width = _chosen(file, node, "width", word_bits * block)
    if width % (word_bits * block):
        place = (*node.place, "attributes", "width")
        raise file.fault(place, f"{width} bits are no whole number of blocks of {block} x {word_bits} bits")
    return word_bits, width


def _chosen(file: ForeignFile, node: ArchitectureNode, name: str, default: int) -> int:
    if name in node.attributes:
        return _bits(file, node, name)
    file.notes.choose(f"{node.name}: {name} is {default} bits, the tool's default, as none is given")
    return default


def _bits(file: ForeignFile, node: ArchitectureNode, name: str) -> int:
    """A whole number of an attribute; expressions are the tool's to work out."""
    value = node.attributes.get(name)
    number = text_number(value)
    if number is None or not 1 <= number <= ROOM or number != int(number):
        what = "is required" if value is None else f"{str(value)[:60]!r} is not a whole number from 1"
        raise file.fault(
            (*node.place, "attributes", name), f"{what}; the tool writes worked-out numbers to {WORKED_OUT}"
        )
    return int(number)


def _bandwidth(file: ForeignFile, node: ArchitectureNode, name: str, word_bits: int, width: int) -> int:
    """Bits in a cycle: words of the tool's, or a row where it states none."""
    if name not in node.attributes:
        file.notes.choose(f"{node.name}: {name} is a row of {width} bits, as none is given")
        return width
    return _bits(file, node, name) * word_bits


def _memory(file: ForeignFile, node: ArchitectureNode, clock_hz: int) -> dict[str, Any]:
    """The memory, with the bandwidth that it states, else a row in a cycle."""
    word_bits, width = _widths(file, node)
    stated = next((name for name in ("shared_bandwidth", "read_bandwidth") if name in node.attributes), None)
    bits = _bits(file, node, stated) * word_bits if stated else width
    if not stated:
        file.notes.choose(f"{node.name}: {width} bits in a cycle, a row, as no bandwidth is given")
    return {
        "kind": MEMORY_KIND,
        "bandwidth_bytes_per_s": max(bits * clock_hz // BITS_PER_BYTE, 1),
        "efficiency": 1.0,
        "word_bits": width,
    }


def _arithmetic(file: ForeignFile, node: ArchitectureNode) -> dict[str, Any]:
    """Widths of a MAC and of a sum, where the component states them."""
    names = {"operand_bits": ("multiplier_width", "datawidth"), "accumulator_bits": ("adder_width",)}
    found: dict[str, Any] = {}
    for ours, theirs in names.items():
        stated = next((name for name in theirs if name in node.attributes), None)
        if stated is not None:
            found[ours] = _bits(file, node, stated)
    return found
