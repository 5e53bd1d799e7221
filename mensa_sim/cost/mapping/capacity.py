"""What the registers of an accelerator can hold, and what a mapping takes of its buffers."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd, prod

from mensa_sim.cost.counts.counts import BUFFER_OF
from mensa_sim.cost.counts.nest import NestCounts, Precision, operand_ports
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.accelerator import BUFFERS
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import Operand, relevant, split_dims
from mensa_sim.workload.layer import LoopNest


def distinct(outputs: int, taps: int, stride: int, dilation: int) -> int:
    """Distinct positions that some outputs read through some taps along one axis, nothing clipped.

    >>> distinct(4, 3, stride=1, dilation=1), distinct(4, 3, stride=2, dilation=1), distinct(4, 3, 1, 2)
    (6, 9, 8)
    """
    common = gcd(stride, dilation)
    stride, dilation = stride // common, dilation // common
    return outputs * taps - max(0, outputs - dilation) * max(0, taps - stride)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRoom:
    """What one register of an operand holds of a tile: its own lane's elements, or those of lanes that share it."""

    operand: Operand
    elements: int
    """The most that it holds."""
    lanes: Mapping[str, int]
    """Lanes along each dim that have a register of their own."""
    nest: LoopNest

    def holds(self, extents: Mapping[str, int]) -> bool:
        """Whether the register holds its part of a tile."""
        own = {dim: -(-extents[dim] // lanes) for dim, lanes in self.lanes.items()}
        elements = self._window(own) if self.operand == "input" else prod(own.values())
        return elements <= self.elements

    def _window(self, own: Mapping[str, int]) -> int:
        elements, counted = 1, set()
        for outputs, taps, stride, dilation in (
            ("OY", "FY", self.nest.stride_y, self.nest.dilation_y),
            ("OX", "FX", self.nest.stride_x, self.nest.dilation_x),
        ):
            if outputs in own and taps in own:
                steps = stride * self.lanes[outputs], dilation * self.lanes[taps]
                elements *= distinct(own[outputs], own[taps], *steps)
                counted |= {outputs, taps}
        return elements * prod(extent for dim, extent in own.items() if dim not in counted)


def register_rooms(
    nest: LoopNest, accelerator: PeArray, unrolling: Unrolling, precision: Precision
) -> tuple[RegisterRoom, ...]:
    """The registers of an accelerator, those that a MAC always has among them."""
    rooms = []
    for operand, ports in operand_ports(accelerator, precision).items():
        if ports.register is None:
            continue
        entries = ports.register.shared_along if operand in accelerator.registers else ()
        shared = {member for entry in entries for member in split_dims(entry)}
        lanes = {
            dim: 1 if set(split_dims(dim)) <= shared else count
            for dim, count in unrolling.lanes.items()
            if relevant(operand, dim)
        }
        elements = ports.register.bytes * BITS_PER_BYTE // ports.partial_bits
        rooms.append(RegisterRoom(operand=operand, elements=elements, lanes=lanes, nest=nest))
    return tuple(rooms)


def whole_bits(nest: LoopNest, precision: Precision) -> dict[Operand, int]:
    """Bits of each whole operand."""
    return {
        "weight": nest.weight_elements * precision.weight_bits,
        "input": nest.input_elements * precision.input_bits,
        "output": nest.output_elements * precision.output_bits,
    }


def buffered_bytes(
    nest: LoopNest, accelerator: PeArray, precision: Precision, counts: NestCounts, kept: frozenset[Operand]
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
