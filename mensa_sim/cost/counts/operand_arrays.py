"""Accesses of one operand for every entry of a grid and every order of loops, by the rules of `counts`.

An operand has one free group of loops that does not index it. Which groups stand inside its free group decides what
is fetched again. Its two other groups are A and B: axis `inside` of the arrays below is 0 for none of them inside the
free group, 1 for A, 2 for B, 3 for both. Axis `inner` counts the orders within a buffer tile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np

from mensa_sim.cost.counts.counts import BUFFER_OF, Ports
from mensa_sim.cost.counts.tiles import (
    ELEMENTS,
    END,
    FINAL_ACCESSES,
    FINAL_WORDS,
    PARTIAL_ACCESSES,
    PARTIAL_WORDS,
    Floats,
    single_tile,
)
from mensa_sim.cost.counts.window import Window
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import FREE_GROUP, GROUPS, group
from mensa_sim.cost.mapping.grid import Bools, Grid, over_parts, per_entry
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.workload.dims import Operand, split_dims

INSIDE = range(4)


@cache
def own_groups(operand: Operand) -> tuple[str, str]:
    """The groups A and B of an operand."""
    first, second = (name for name in GROUPS if name != FREE_GROUP[operand])
    return first, second


def inside_index(operand: Operand, order: Sequence[str]) -> int:
    """Which of its own groups an order, innermost first, has inside an operand's free group."""
    first, second = own_groups(operand)
    within = order[: order.index(FREE_GROUP[operand])]
    return (first in within) + 2 * (second in within)


@cache
def groups_inside(operand: Operand, inside: int) -> tuple[str, ...]:
    """The groups that an index stands for."""
    return tuple(name for bit, name in enumerate(own_groups(operand)) if inside >> bit & 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArraySide:
    """One operand's accesses between its buffer (memory without one) and the array, in one step: [inner, inside]."""

    feed_accesses: Floats
    collect_accesses: Floats
    feed_bits: Floats
    collect_bits: Floats
    chip_pj: Floats
    """Registers, network, and the array's side of the buffer, without what no mapping changes."""
    end_bits: Floats
    """The first register tile of a weight or input, the last one of an output."""
    partial: Bools
    """Sums leave the array before they are final."""
    read_words: Floats
    """Words of memory read, and written below, by an operand without a buffer; none where a word is a bit."""
    written_words: Floats
    memory_trips: Floats
    """[inside] Times that a buffer tile is fetched, or its sums leave, where the buffer holds one tile."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Repeats:
    """How often tiles are fetched: `array`, and `copies` in registers [inner, inside]; `memory` [inside]."""

    array: Floats
    copies: Floats
    memory: Floats


def _repeats(
    grid: Grid, unrolling: Unrolling, operand: Operand, ports: Ports, inner_orders: Sequence[Sequence[str]]
) -> _Repeats:
    free, own = FREE_GROUP[operand], own_groups(operand)
    over_tiles, over_registers = grid.trips_over_tiles[free], grid.trips_over_registers[free]
    none = np.ones_like(over_tiles, dtype=bool)
    outer_run = np.stack([all_of(none, *(grid.one_tile[name] for name in groups_inside(operand, i))) for i in INSIDE])
    memory = np.where(outer_run, 1.0, over_tiles)
    if ports.register is None:
        trips = float(prod(unrolling.trips(dim) for dim in unrolling.dims if group(dim) == free))
        always = np.full((1, 1, 1), trips)
        return _Repeats(array=always, copies=always, memory=memory)
    run_out = outer_run & all_of(none, *(grid.one_register_tile[name] for name in (*own, "G")))
    shared = {member for entry in ports.register.shared_along for member in split_dims(entry)}
    copied = [
        d for d in unrolling.dims if group(d) == free and unrolling.lanes[d] > 1 and not set(split_dims(d)) <= shared
    ]
    runs = [all_of(none, *(grid.one_register_tile[n] for n in order[: order.index(free)])) for order in inner_orders]

    def fetched(kept: float, per_tile: Floats, per_register: Floats) -> Floats:
        return np.stack([np.where(run_out, kept, np.where(run, per_tile, per_register)) for run in runs])

    array = fetched(1.0, over_tiles, over_registers)
    copies = fetched(*_copies(grid, unrolling, free, copied)) if copied else array
    return _Repeats(array=array, copies=copies, memory=memory)


def all_of(start: Bools, *conditions: Bools) -> Bools:
    result = start
    for condition in conditions:
        result = result & condition
    return result


def _copies(grid: Grid, unrolling: Unrolling, free: str, copied: Sequence[str]) -> tuple[float, Floats, Floats]:
    """Register writes per element if the tile stays over the free group, is fetched per buffer or per register tile."""
    kept, tiles, registers = 1.0, grid.trips_over_tiles[free], grid.trips_over_registers[free]
    for dim in copied:
        size, lanes = unrolling.sizes[dim], unrolling.lanes[dim]

        def filled(extent: int, size: int = size, lanes: int = lanes) -> float:
            trips = -(-size // extent)
            return ((trips - 1) * lanes + min(lanes, size - (trips - 1) * extent)) / trips

        kept *= filled(size)
        tables = [{dim: np.array([filled(extent) for extent in p.extents[dim]])} for p in grid.parts]
        tiles = tiles * per_entry(grid.parts, tables, dim)
        registers = registers * over_parts(grid.parts, [filled(p.register[dim]) for p in grid.parts])
    return kept, tiles, registers


def array_side(
    grid: Grid,
    unrolling: Unrolling,
    operand: Operand,
    window: Window | None,
    ports: Ports,
    energy: EnergyModel,
    inner_orders: Sequence[Sequence[str]],
) -> ArraySide:
    """What an operand does on the array's side."""
    output = operand == "output"
    repeats = _repeats(grid, unrolling, operand, ports, inner_orders)
    register = [p.register if ports.register else unrolling.lanes for p in grid.parts]
    tables = [single_tile(unrolling, operand, window, extents, ports) for extents in register]

    def constant(figure: int) -> Floats:
        return over_parts(grid.parts, [table[figure] for table in tables])

    elements, accesses = constant(ELEMENTS), constant(FINAL_ACCESSES)
    again, nothing = repeats.array > 1, np.zeros((1, 1, 1))
    bits: Floats = np.full((1, 1, 1), float(ports.final_bits))
    unbuffered_words = ports.min_bits is None and ports.word_bits > 1
    if output:
        bits = np.where(again, float(ports.partial_bits), float(ports.final_bits))
        partial, before = constant(PARTIAL_ACCESSES), repeats.array - 1
        words = np.where(again, constant(PARTIAL_WORDS), constant(FINAL_WORDS)) if unbuffered_words else nothing
        read_words, written_words = words * before, words * repeats.array
        collect, feed = np.where(again, partial, accesses) * repeats.array, partial * before
        collect_bits, feed_bits = elements * repeats.array * bits, elements * before * bits
        moved = elements * (repeats.copies + before) * ports.partial_bits
    else:
        collect, feed = nothing, accesses * repeats.array
        read_words = constant(FINAL_WORDS) * repeats.array if unbuffered_words else nothing
        written_words = nothing
        collect_bits, feed_bits = nothing, elements * repeats.array * ports.final_bits
        moved = elements * repeats.copies * ports.final_bits
    rate = energy.register_pj_per_bit.get(operand, 0.0) if ports.register else 0.0
    chip_pj = moved * rate + (feed_bits + collect_bits) * energy.broadcast_pj_per_bit
    if ports.min_bits is not None:
        name = BUFFER_OF[operand]
        chip_pj = chip_pj + feed * energy.buffer_read_pj[name] + collect * energy.buffer_write_pj[name]
    return ArraySide(
        feed_accesses=feed,
        collect_accesses=collect,
        feed_bits=feed_bits,
        collect_bits=collect_bits,
        chip_pj=chip_pj,
        end_bits=constant(END) * bits,
        partial=again,
        read_words=read_words,
        written_words=written_words,
        memory_trips=repeats.memory,
    )
