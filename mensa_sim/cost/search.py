"""The best mapping of a loop nest on an accelerator."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Literal

from mensa_sim.cost.candidates import ORDERS, build, inner_orders, register_tiles, tile_grid
from mensa_sim.cost.counts import BUFFER_OF
from mensa_sim.cost.layer_cost import Residency
from mensa_sim.cost.mapping import Mapping
from mensa_sim.cost.nest_counts import NestCounts, Precision, operand_ports, price_mapping
from mensa_sim.cost.unrolling import Unrolling, relevant
from mensa_sim.hardware.accelerator import BUFFERS, OPERANDS, Accelerator, Operand
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.layer import LoopNest

Objective = Literal["latency", "energy", "edp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A mapping and its counts."""

    mapping: Mapping
    counts: NestCounts


def whole_bits(nest: LoopNest, precision: Precision) -> dict[Operand, int]:
    """Bits of each whole operand."""
    return {
        "weight": nest.weight_elements * precision.weight_bits,
        "input": nest.input_elements * precision.activation_bits,
        "output": nest.output_elements * precision.activation_bits,
    }


def resident_operands(residency: Residency, *, weights_are_activations: bool) -> frozenset[Operand]:
    """The operands that a residency keeps on chip from start to end."""
    kept: set[Operand] = set()
    if residency.input:
        kept.add("input")
    if residency.output:
        kept.add("output")
    if (residency.parameters and not weights_are_activations) or (residency.input and weights_are_activations):
        kept.add("weight")
    return frozenset(kept)


def fits(
    nest: LoopNest, accelerator: Accelerator, precision: Precision, counts: NestCounts, kept: frozenset[Operand]
) -> bool:
    """Whether the buffers hold the tiles: two of each under double buffering, unless the tile is the whole operand.

    A resident operand takes its whole size; a resident output also needs its sums to stay until they are final.
    """
    copies = 2 if accelerator.array.overlap else 1
    need = dict.fromkeys(BUFFERS, 0)
    whole = whole_bits(nest, precision)
    for operand in OPERANDS:
        count = counts.operands[operand]
        if operand in kept:
            need[BUFFER_OF[operand]] += whole[operand]
            if operand != "output":
                continue
            if count.visits > 1:
                return False
            if count.feed_bits == 0:
                continue
        need[BUFFER_OF[operand]] += count.buffer_bits * (1 if count.whole else copies)
    return all(need[name] <= buffer.capacity_bytes * BITS_PER_BYTE for name, buffer in accelerator.buffers.items())


def _mappings(
    nest: LoopNest, accelerator: Accelerator, precision: Precision, unrolling: Unrolling
) -> Iterator[Mapping]:
    ports = operand_ports(accelerator, precision)
    limits = {"B": 2, "G": 3, "K": 3, "C": 3, "OY": 3, "OX": 2, "FY": 1, "FX": 1}
    for register in register_tiles(nest, accelerator, unrolling, precision)[:3]:
        all_limits = {dim: limits.get(dim, 4) for dim in unrolling.dims}

        def small(tile: dict[str, int]) -> bool:
            need = dict.fromkeys(BUFFERS, 0)
            for operand in OPERANDS:
                elements = prod(tile[dim] for dim in tile if relevant(operand, dim) and dim not in ("FY", "FX"))
                need[BUFFER_OF[operand]] += elements * ports[operand].final_bits
            return all(
                need[name] <= buffer.capacity_bytes * BITS_PER_BYTE for name, buffer in accelerator.buffers.items()
            )

        tiles = [tile for tile in tile_grid(unrolling, register, all_limits) if small(tile)]
        for tile in [*islice(tiles, 6), *tiles[-1:]]:
            for outer in ORDERS[::2]:
                yield build(
                    unrolling,
                    register,
                    tile,
                    inner_orders(accelerator.array.stationary)[0],
                    outer,
                    {"weight": False, "input": False, "output": False},
                )


def candidates(
    nest: LoopNest, accelerator: Accelerator, precision: Precision, unrolling: Unrolling, kept: frozenset[Operand]
) -> list[Choice]:
    """The mappings that fit, with their counts."""
    choices = []
    for mapping in _mappings(nest, accelerator, precision, unrolling):
        counts = price_mapping(nest, accelerator, mapping, precision)
        if fits(nest, accelerator, precision, counts, kept):
            choices.append(Choice(mapping=mapping, counts=counts))
    return choices
