"""What the registers of an accelerator can hold, and what a mapping takes of its buffers."""

from collections.abc import Mapping as ReadOnly
from math import gcd, prod

from mensa_sim.cost.counts import BUFFER_OF
from mensa_sim.cost.nest_counts import NestCounts, Precision, operand_ports
from mensa_sim.cost.unrolling import Unrolling, relevant
from mensa_sim.hardware.accelerator import BUFFERS, OPERANDS, Accelerator, Operand, split_dims
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.layer import LoopNest


def distinct(outputs: int, taps: int, stride: int, dilation: int) -> int:
    """Distinct positions that some outputs read through some taps along one axis, nothing clipped.

    >>> distinct(4, 3, stride=1, dilation=1), distinct(4, 3, stride=2, dilation=1), distinct(4, 3, 1, 2)
    (6, 9, 8)
    """
    common = gcd(stride, dilation)
    stride, dilation = stride // common, dilation // common
    return outputs * taps - max(0, outputs - dilation) * max(0, taps - stride)


def register_elements(
    nest: LoopNest, unrolling: Unrolling, operand: Operand, extents: ReadOnly[str, int], shared: frozenset[str]
) -> int:
    """Elements of a tile that one register of an operand holds: its own lane's, or those of the lanes that share it."""
    own: dict[str, int] = {}
    lanes: dict[str, int] = {}
    for dim, extent in extents.items():
        mine = 1 if set(split_dims(dim)) <= shared else unrolling.lanes[dim]
        own[dim], lanes[dim] = -(-extent // mine), mine
    if operand != "input":
        return prod(own[dim] for dim in own if relevant(operand, dim))
    elements = prod(own[dim] for dim in own if dim in ("B", "G", "C"))
    for axis in "YX":
        if f"O{axis}" in own and f"F{axis}" in own:
            stride = getattr(nest, f"stride_{axis.lower()}") * lanes[f"O{axis}"]
            dilation = getattr(nest, f"dilation_{axis.lower()}") * lanes[f"F{axis}"]
            elements *= distinct(own[f"O{axis}"], own[f"F{axis}"], stride, dilation)
        else:
            elements *= own.get(f"O{axis}", 1) * own.get(f"F{axis}", 1)
    return elements * prod(own[dim] for dim in own if len(split_dims(dim)) > 1)


def registers_hold(
    nest: LoopNest, accelerator: Accelerator, unrolling: Unrolling, precision: Precision, extents: ReadOnly[str, int]
) -> bool:
    """Whether every register of the accelerator holds its operand's part of a tile."""
    ports = operand_ports(accelerator, precision)
    for operand in OPERANDS:
        register = ports[operand].register
        if register is None:
            continue
        stated = operand in accelerator.registers
        entries = register.shared_along if stated else ()
        shared = frozenset(member for entry in entries for member in split_dims(entry))
        elements = register_elements(nest, unrolling, operand, extents, shared)
        if elements * ports[operand].partial_bits > register.bytes * BITS_PER_BYTE:
            return False
    return True


def whole_bits(nest: LoopNest, precision: Precision) -> dict[Operand, int]:
    """Bits of each whole operand."""
    return {
        "weight": nest.weight_elements * precision.weight_bits,
        "input": nest.input_elements * precision.activation_bits,
        "output": nest.output_elements * precision.activation_bits,
    }


def buffered_bytes(
    nest: LoopNest, accelerator: Accelerator, precision: Precision, counts: NestCounts, kept: frozenset[Operand]
) -> dict[str, int]:
    """Bytes that a mapping holds at once in each buffer: tiles, second copies, and the operands that stay whole.

    A tile that is the whole operand needs no second copy; sums of an output that stays have room of their own until
    they are final.
    """
    copies = accelerator.tile_copies
    whole = whole_bits(nest, precision)
    held: dict[str, int] = {name: 0 for name in BUFFERS if name in accelerator.buffers}
    for operand, count in counts.operands.items():
        name = BUFFER_OF[operand]
        if name not in held:
            continue
        tiles = count.buffer_bits * (1 if count.whole else copies)
        if operand in kept:
            tiles = tiles if operand == "output" and count.feed_bits else 0
            held[name] += whole[operand]
        held[name] += tiles
    return {name: bits_to_bytes(bits) for name, bits in held.items()}
