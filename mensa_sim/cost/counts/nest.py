"""Everything that one step of a loop nest does under one mapping: accesses of all operands, and cycles."""

from collections.abc import Mapping
from itertools import pairwise
from math import ceil, prod
from typing import Any

from mensa_sim.cost.counts.counts import OperandCounts, Walk, count_walk
from mensa_sim.cost.counts.ways import Way
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import OPERANDS, Operand, split_dims
from mensa_sim.workload.layer import LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class NestCounts:
    """Accesses and cycles of one step of a nest under one mapping, every tensor from and to memory."""

    macs: Any
    array_cycles: Any
    """Passes of the array, partial-sum hops, its fills and drains, and its waits for inner levels."""
    tiles: Any
    """Buffer tiles computed one after another."""
    operands: Mapping[Operand, OperandCounts]
    hop_bits: Any
    """Bits of partial sums handed from a PE to the next within a pass."""


def pipeline_cycles(accelerator: PeArray, unrolling: Unrolling) -> int:
    """Cycles from the first operand entering the array to the last result leaving, beyond its passes."""
    stated = accelerator.dataflow.pipeline_cycles
    axes = len(accelerator.dataflow.axes)
    return stated if stated is not None else sum(filled - 1 for filled in unrolling.filled[:axes])


def pass_cycles(
    accelerator: PeArray, nest: LoopNest, unrolling: Unrolling, register: Mapping[str, Any], way: Mapping[Operand, Way]
) -> Any:
    """Cycles of all passes: product of ceil(dim / lanes), a depthwise filter's taps in whole slots, and hops.

    Operands wider than a MAC take several cycles each.

    A partial sum hops after the products over those of the hop's dims that lie within the register tile, of whose
    extents there may be arrays.
    """
    dataflow = accelerator.dataflow
    each = accelerator.product_cycles(way["weight"].final_bits, way["input"].final_bits)
    taps = prod(unrolling.trips(dim) for dim in unrolling.sizes if split_dims(dim)[-1] in ("FY", "FX"))
    passes = unrolling.passes
    if nest.depthwise:
        slots = dataflow.depthwise_tap_slots
        passes = passes // taps * (-(-taps // slots) * slots * dataflow.depthwise_slot_cycles)
    cycles: Any = ceil(passes * each)
    if dataflow.hop:
        cycles += dataflow.hop.cycles * prod(
            -(-size // (register[dim] if dataflow.hop.spans(dim) else unrolling.lanes[dim]))
            for dim, size in unrolling.sizes.items()
        )
    return cycles


def wait_cycles(count: OperandCounts) -> Any:
    """Cycles in which the array waits for inner levels: they are fed, or relieved, before it goes on."""
    cycles: Any = 0
    for inner, outer in pairwise(count.levels):
        if inner.level.waits:
            level = outer.level
            for accesses, width in (
                (outer.feed_accesses, level.read_width),
                (outer.collect_accesses, level.write_width),
            ):
                cycles += -(-accesses * level.access_bits // (width * outer.instances))
    return cycles


def count_nest(nest: LoopNest, accelerator: PeArray, mapping: NestMapping, way: Mapping[Operand, Way]) -> NestCounts:
    """The counts of any given mapping, whether it fits the levels or not, with the ways of its operands."""
    counts = {operand: count_walk(Walk(nest, mapping, operand), way[operand]) for operand in OPERANDS}
    return nest_counts(nest, accelerator, mapping, way, counts)


def nest_counts(
    nest: LoopNest,
    accelerator: PeArray,
    mapping: NestMapping,
    way: Mapping[Operand, Way],
    operands: Mapping[Operand, OperandCounts],
) -> NestCounts:
    """The counts of a mapping whose operands are counted."""
    tile, register = mapping.extents(mapping.tile), mapping.extents(mapping.cuts[0])
    tiles = prod(-(-size // tile[dim]) for dim, size in mapping.unrolling.sizes.items())
    dataflow = accelerator.dataflow
    fills = operands[dataflow.stationary].swaps if dataflow.pipeline_cycles_per == "pass" else tiles
    return NestCounts(
        macs=nest.macs,
        array_cycles=pass_cycles(accelerator, nest, mapping.unrolling, register, way)
        + pipeline_cycles(accelerator, mapping.unrolling) * fills
        + sum(wait_cycles(count) for count in operands.values()),
        tiles=tiles,
        operands=operands,
        hop_bits=(nest.macs - operands["output"].accumulations) * way["output"].partial_bits,
    )
