"""What a mapping takes of the SRAMs of an accelerator, and what whole operands would take."""

from collections.abc import Mapping
from typing import Any

from mensa_sim.cost.counts.crossing import pick
from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.room import taken_bits
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.hardware.accelerator import BUFFERS
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import LoopNest


def whole_bits(nest: LoopNest, precision: Precision) -> dict[Operand, int]:
    """Bits of each whole operand."""
    return {
        "weight": nest.weight_elements * precision.weight_bits,
        "input": nest.input_elements * precision.input_bits,
        "output": round(nest.output_elements * precision.output_left) * precision.output_bits,
    }


def held_bytes(
    nest: LoopNest, accelerator: PeArray, precision: Precision, counts: NestCounts, kept: frozenset[Operand]
) -> dict[str, int]:
    """Bytes that a mapping holds at once in each SRAM: tiles, second copies, and the operands that stay whole.

    A tile that is the whole operand needs no second copy; sums of an output that stays have room of their own until
    they are final. Operands stay in their outermost SRAMs.
    """
    return bytes_held(accelerator, counts, whole_bits(nest, precision), {each: each in kept for each in OPERANDS})


def bytes_held(
    accelerator: PeArray, counts: NestCounts, whole: Mapping[Operand, Any], stays: Mapping[Operand, Any]
) -> dict[str, Any]:
    """The same of one mapping or of many, given the bits of each whole operand and whether it stays."""
    held: dict[str, Any] = {level.name: 0 for level in accelerator.levels if level.ported}
    for operand, count in counts.operands.items():
        for each in count.levels:
            level = each.level
            if not level.ported:
                continue
            tiles = taken_bits(each.held_bits, each.whole, accelerator.copies(level))
            if each is count.levels[-1]:
                sums = tiles * (each.feed_bits > 0) if operand == "output" else 0
                tiles = pick(stays[operand], sums + -(-whole[operand] // each.stop.spread), tiles)
            held[level.name] = held[level.name] + tiles
    return {name: bits_to_bytes(bits) for name, bits in held.items()}


def buffered_bytes(accelerator: PeArray, held: Mapping[str, Any]) -> dict[str, Any]:
    """What is held of that in the stores of parameters and of activations."""
    stores = {name: accelerator.buffer(name) for name in BUFFERS}
    return {name: held[level.name] for name, level in stores.items() if level is not None}
