"""What a component of Timeloop that stores says of its words, its rows, its size and its ports."""

from collections.abc import Sequence
from typing import Any

from mensa_sim.hardware.files import load_technology
from mensa_sim.study.convert.foreign import MEMORY_KIND, TECHNOLOGY, ForeignFile, text_number
from mensa_sim.study.convert.timeloop.node import ArchitectureNode
from mensa_sim.units import BITS_PER_BYTE, KIB
from mensa_sim.workload.dims import Operand

REGISTERS = ("regfile", "_rf", "register", "reg_")
"""What classes of register files have in their names."""
WORD_BITS = 16
"""A word where none is stated (`kDefaultWordBits` of the tool's `buffer.hpp`)."""
WORKED_OUT = "parsed-processed-input.yaml"
"""The file beside the tool's results in which templates and expressions are worked out."""
MEMORY_BANDWIDTHS = ("shared_bandwidth", "bandwidth", "read_bandwidth")
"""The words by which a memory states what it moves in both directions, or in one of two alike."""
OF_PORTS = ("read_bandwidth", "write_bandwidth", "shared_bandwidth", "bandwidth", "multiple_buffering")
"""Attributes of what has ports."""
ROOM = 2**53
"""Whole numbers that a file's numbers hold exactly."""


def level_of(file: ForeignFile, node: ArchitectureNode, serves: Sequence[Operand], per: list[int]) -> dict[str, Any]:
    """A level of ours around so many axes; `registers` says whether its class is one of registers.

    What is told of its ports if it has any is `of_ports`, and `in_vain` what it says of them if not.
    """
    word_bits, row_bits = word_and_row_bits(file, node)
    sizes = {"entries": word_bits, "depth": row_bits, "sizeKB": KIB * BITS_PER_BYTE}
    size, *others = [name for name in sizes if name in node.attributes] or ["depth"]
    for name in others:
        file.notes.leave((node.name, "attributes", name))
    bits = whole_number(file, node, size) * sizes[size]
    of_ports: list[str] = []
    reads, writes = (_bandwidth(file, node, name, word_bits, row_bits, of_ports) for name in ("read", "write"))
    double = node.attributes.get("multiple_buffering", 1) not in (1, 1.0)
    return {
        "name": node.name,
        "serves": list(serves),
        "capacity_bytes": max(bits // BITS_PER_BYTE, 1),
        **({"per": per} if per else {}),
        "read_bits": reads,
        "write_bits": writes,
        "min_bits": min(row_bits, reads, writes),
        **({"ports": "rw"} if "shared_bandwidth" in node.attributes else {}),
        "double_buffered": double,
        **_energies(file, node, row_bits),
        "registers": any(mark in node.kind for mark in REGISTERS),
        "of_ports": of_ports,
        "in_vain": [name for name in node.attributes if name in OF_PORTS],
    }


def _energies(file: ForeignFile, node: ArchitectureNode, row_bits: int) -> dict[str, Any]:
    """Energies of its own: those of an access to a block of words, if the file states them."""
    value = node.attributes.get("vector_access_energy")
    if value is None:
        return {}
    number = text_number(value)
    if number is None or not 0 <= number < ROOM:
        raise file.fault((*node.place, "attributes", "vector_access_energy"), f"{str(value)[:40]!r} is no energy in pJ")
    per_bit = number / row_bits
    return {"read_pj_per_bit": per_bit, "write_pj_per_bit": per_bit, "source": f"Timeloop, {file.path.name}"}


def word_and_row_bits(file: ForeignFile, node: ArchitectureNode) -> tuple[int, int]:
    """Bits of a word and of a row of one instance, which is a block of words.

    Of a width, the blocks of a cluster of instances side by side, one instance has its own; a width that says neither
    block nor cluster is one block (issue 39 and pull request 176 of the tool).
    """
    word_bits = _chosen(file, node, "datawidth", WORD_BITS)
    stated = {
        name: whole_number(file, node, name) for name in ("block_size", "cluster_size") if name in node.attributes
    }
    unit = word_bits * stated.get("block_size", 1) * stated.get("cluster_size", 1)
    width = _chosen(file, node, "width", unit)
    if width == word_bits * stated.get("block_size", 1):  # older files state that of one instance
        return word_bits, width
    if width % unit:
        place = (*node.place, "attributes", "width")
        raise file.fault(place, f"{width} bits are no whole number of blocks of {unit // word_bits} x {word_bits} bits")
    row_bits = word_bits * stated["block_size"] if "block_size" in stated else width // stated.get("cluster_size", 1)
    if row_bits < width:
        file.notes.choose(
            f"{node.name}: {row_bits} bits of a row, as {width // row_bits} instances share one of {width} bits; its "
            "energy is that of an SRAM of its own"
        )
    return word_bits, row_bits


def _chosen(file: ForeignFile, node: ArchitectureNode, name: str, default: int) -> int:
    if name in node.attributes:
        return whole_number(file, node, name)
    file.notes.choose(f"{node.name}: {name} is {default} bits, the tool's default, as none is given")
    return default


def whole_number(file: ForeignFile, node: ArchitectureNode, name: str) -> int:
    """A whole number of an attribute; expressions are the tool's to work out."""
    value = node.attributes.get(name)
    number = text_number(value)
    if number is None or not 1 <= number <= ROOM or number != int(number):
        what = "is required" if value is None else f"{str(value)[:60]!r} is not a whole number from 1"
        raise file.fault(
            (*node.place, "attributes", name), f"{what}; the tool writes worked-out numbers to {WORKED_OUT}"
        )
    return int(number)


def _bandwidth(
    file: ForeignFile, node: ArchitectureNode, direction: str, word_bits: int, row_bits: int, told: list[str]
) -> int:
    """Bits in a cycle, of words of the tool's; both directions' where they share it; a row where it states none."""
    for name, share in ((f"{direction}_bandwidth", 1.0), ("shared_bandwidth", 1.0), ("bandwidth", 0.5)):
        if name in node.attributes:
            return _stated_bits(file, node, name, word_bits * share)
    told.append(f"{node.name}: {direction}_bandwidth is a row of {row_bits} bits, as none is given")
    return row_bits


def _stated_bits(file: ForeignFile, node: ArchitectureNode, name: str, word_bits: float) -> int:
    """Bits of so many words, not necessarily a whole number of them."""
    value = node.attributes[name]
    number = text_number(value)
    bits = None if number is None else number * word_bits
    if bits is None or not 1 <= bits <= ROOM:
        raise file.fault((*node.place, "attributes", name), f"{str(value)[:60]!r} is not a number of words in a cycle")
    if bits != int(bits):
        file.notes.choose(f"{node.name}: {name} is {int(bits)} bits, the whole ones of {bits:g}")
    return int(bits)


def memory_of(file: ForeignFile, node: ArchitectureNode, clock_hz: int) -> dict[str, Any]:
    """The memory, with the bandwidth that it states, else a row in a cycle."""
    word_bits, row_bits = word_and_row_bits(file, node)
    stated = next((name for name in MEMORY_BANDWIDTHS if name in node.attributes), None)
    bits = _stated_bits(file, node, stated, word_bits) if stated else row_bits
    if not stated:
        file.notes.choose(f"{node.name}: {row_bits} bits in a cycle, a row, as no bandwidth is given")
    kind = str(node.attributes.get("type", "")).lower()
    if kind not in load_technology(TECHNOLOGY).memories:
        if kind:
            file.notes.leave((f"{node.name}.attributes.type", kind))
        file.notes.choose(f"memory: {MEMORY_KIND}")
        kind = MEMORY_KIND
    return {
        "kind": kind,
        "bandwidth_bytes_per_s": max(bits * clock_hz // BITS_PER_BYTE, 1),
        "efficiency": 1.0,
        "word_bits": row_bits,
    }
