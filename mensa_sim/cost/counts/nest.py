"""Everything that one step of a loop nest does under one mapping: accesses of all operands, and cycles."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from mensa_sim.cost.counts.counts import BUFFER_OF, OperandCounts, Ports, count_operand
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.pe_array import PeArray, Register
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import DIMS, OPERANDS, Operand, split_dims
from mensa_sim.workload.layer import Layer, LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Bits of a final element of each operand, and of a partial sum."""

    weight_bits: int = 8
    input_bits: int = 8
    output_bits: int = 8
    accumulator_bits: int | None = None
    """None: the width of the accelerator's accumulators."""

    def final_bits(self, operand: Operand) -> int:
        """Of an operand."""
        bits: int = getattr(self, f"{operand}_bits")
        return bits

    def partial_bits(self, accelerator: PeArray) -> int:
        """Of a partial sum on an accelerator."""
        return self.accumulator_bits or accelerator.accumulator_bits


def precision_of(layer: Layer) -> Precision:
    """The widths of a layer's operands."""
    return Precision(
        weight_bits=layer.element_bits("weight"),
        input_bits=layer.element_bits("input"),
        output_bits=layer.element_bits("output"),
        accumulator_bits=layer.accumulator_bits,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NestCounts:
    """Accesses and cycles of one step of a nest under one mapping, every tensor from and to memory."""

    macs: int
    array_cycles: int
    """Passes of the array, partial-sum hops, and fill and drain of every tile."""
    tiles: int
    """Buffer tiles computed one after another."""
    operands: Mapping[Operand, OperandCounts]
    hop_bits: int
    """Bits of partial sums handed from a PE to the next within a pass."""


def operand_ports(accelerator: PeArray, precision: Precision, word_bits: int = 1) -> dict[Operand, Ports]:
    """The way of each operand; a MAC always has an accumulator, which the array's reduction feeds.

    `word_bits` is the memory's.
    """
    sum_bits = precision.partial_bits(accelerator)
    accumulator = Register(bytes=bits_to_bytes(sum_bits), shared_along=DIMS)
    ports: dict[Operand, Ports] = {}
    for operand in OPERANDS:
        buffer = accelerator.buffers.get(BUFFER_OF[operand])
        output = operand == "output"
        ports[operand] = Ports(
            final_bits=precision.final_bits(operand),
            partial_bits=sum_bits if output else precision.final_bits(operand),
            min_bits=buffer.min_bits if buffer else None,
            word_bits=word_bits,
            register=accelerator.registers.get(operand, accumulator if output else None),
        )
    return ports


def pipeline_cycles(accelerator: PeArray, unrolling: Unrolling) -> int:
    """Cycles from a tile's first operand entering the array to its last result leaving, beyond its passes."""
    stated = accelerator.dataflow.pipeline_cycles
    axes = len(accelerator.dataflow.axes)
    return stated if stated is not None else sum(filled - 1 for filled in unrolling.filled[:axes])


def pass_cycles(accelerator: PeArray, nest: LoopNest, unrolling: Unrolling, register: Mapping[str, int]) -> int:
    """Cycles of all passes: product of ceil(dim / lanes), a depthwise filter's taps in whole slots, and hops.

    A partial sum hops after the products over those of the hop's dims that lie within the register tile.
    """
    dataflow = accelerator.dataflow
    taps = prod(unrolling.trips(dim) for dim in unrolling.sizes if split_dims(dim)[0] in ("FY", "FX"))
    cycles = unrolling.passes
    if nest.K == nest.C == 1 and nest.G > 1:
        slots = dataflow.depthwise_tap_slots
        cycles = cycles // taps * (-(-taps // slots) * slots * dataflow.depthwise_slot_cycles)
    if dataflow.hop:
        inside = {member for entry in dataflow.hop.per for member in split_dims(entry)}
        cycles += dataflow.hop.cycles * prod(
            -(-size // (register[dim] if set(split_dims(dim)) <= inside else unrolling.lanes[dim]))
            for dim, size in unrolling.sizes.items()
        )
    return cycles


def price_mapping(
    nest: LoopNest,
    accelerator: PeArray,
    mapping: NestMapping,
    precision: Precision | None = None,
    word_bits: int = 1,
) -> NestCounts:
    """The counts of any given mapping, whether it fits the buffers or not; `word_bits` is the memory's."""
    ports = operand_ports(accelerator, precision or Precision(), word_bits)
    operands = {operand: count_operand(nest, mapping, operand, ports[operand]) for operand in OPERANDS}
    tile, register = mapping.extents(mapping.tile), mapping.extents(max(mapping.register.values(), default=0))
    tiles = prod(-(-size // tile[dim]) for dim, size in mapping.unrolling.sizes.items())
    return NestCounts(
        macs=nest.macs,
        array_cycles=pass_cycles(accelerator, nest, mapping.unrolling, register)
        + pipeline_cycles(accelerator, mapping.unrolling) * tiles,
        tiles=tiles,
        operands=operands,
        hop_bits=(nest.macs - operands["output"].accumulations) * ports["output"].partial_bits,
    )
