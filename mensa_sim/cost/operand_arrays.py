"""Accesses of one operand for every entry of a grid and every order of loops, by the rules of `counts`.

An operand has one free group of loops that does not index it. Which groups stand inside its free group decides what
is fetched again. Its two other groups are A and B: axis `inside` of the arrays below is 0 for none of them inside the
free group, 1 for A, 2 for B, 3 for both. Axis `inner` counts the orders within a buffer tile, axis `holds` is 0 for an
operand that holds one buffer tile, 1 for one that holds all loops inside its free group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mensa_sim.cost.candidates import FREE_GROUP, GROUPS, group
from mensa_sim.cost.counts import BUFFER_OF, Ports
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.grid import ALL_GROUPS, Bools, Grid, over_parts, per_entry
from mensa_sim.cost.tiles import (
    ELEMENTS,
    END,
    FIGURES,
    FINAL_ACCESSES,
    LARGEST,
    PARTIAL_ACCESSES,
    Floats,
    single_tile,
    tile_table,
)
from mensa_sim.cost.unrolling import Unrolling
from mensa_sim.cost.window import Window
from mensa_sim.hardware.accelerator import Operand, split_dims

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
class OperandArrays:
    """One operand's accesses in one step; axes in brackets, the entries of the grid last."""

    feed_accesses: Floats
    """[inner, inside]"""
    collect_accesses: Floats
    """[inner, inside]"""
    chip_pj: Floats
    """[inner, inside] Registers, network, and the array's side of the buffer, without what no mapping changes."""
    memory_bits: Floats
    """[inner, holds, inside]"""
    crossing_pj: Floats
    """[inner, holds, inside] Memory and the memory's side of the buffer, per fetch."""
    drain_accesses: Floats
    """[holds, inside]"""
    fill_accesses: Floats
    """[holds, inside]"""
    end_bits: Floats
    """[inner, holds, inside]"""
    buffer_bits: Floats
    """[inner, holds, inside] Room that it takes in its buffer, second copies included."""
    array_visits: Floats
    """[inner, inside] Times that a register tile is fetched, or its sums leave; above 1 they are not final."""
    buffer_visits: Floats
    """[holds, inside] The same for the buffer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Repeats:
    """How often tiles are fetched: `array`, and `copies` in registers [inner, inside]; `memory` [holds, inside]."""

    array: Floats
    copies: Floats
    memory: Floats


def _repeats(
    grid: Grid, unrolling: Unrolling, operand: Operand, ports: Ports, inner_orders: Sequence[Sequence[str]]
) -> _Repeats:
    free, own = FREE_GROUP[operand], own_groups(operand)
    over_tiles, over_registers = grid.trips_over_tiles[free], grid.trips_over_registers[free]
    none = np.ones_like(over_tiles, dtype=bool)
    outer_run = np.stack([_all(none, *(grid.one_tile[name] for name in groups_inside(operand, i))) for i in INSIDE])
    memory = np.stack([np.where(outer_run, 1.0, over_tiles), np.ones(outer_run.shape)])
    if ports.register is None:
        trips = float(np.prod([unrolling.trips(dim) for dim in unrolling.dims if group(dim) == free]))
        always = np.full((len(inner_orders), *outer_run.shape), trips)
        return _Repeats(array=always, copies=always, memory=memory)
    through = _all(none, *(grid.one_register_tile[name] for name in (*own, "G")))
    run_out = outer_run & through
    shared = {member for entry in ports.register.shared_along for member in split_dims(entry)}
    copied = [
        d for d in unrolling.dims if group(d) == free and unrolling.lanes[d] > 1 and not set(split_dims(d)) <= shared
    ]
    copies_kept, copies_tiles, copies_registers = _copies(grid, unrolling, free, copied)
    array, copies = [], []
    for order in inner_orders:
        inner_run = _all(none, *(grid.one_register_tile[n] for n in order[: order.index(free)]))
        array.append(np.where(run_out, 1.0, np.where(inner_run, over_tiles, over_registers)))
        copies.append(np.where(run_out, copies_kept, np.where(inner_run, copies_tiles, copies_registers)))
    return _Repeats(array=np.stack(array), copies=np.stack(copies), memory=memory)


def _all(start: Bools, *conditions: Bools) -> Bools:
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """What an operand's buffer holds, [inside]: index 0 is the buffer tile, the others hold whole groups with it."""

    elements: Floats
    final_accesses: Floats
    partial_accesses: Floats
    largest: Floats
    copies: Floats
    """1 for the whole operand, which is never swapped, else 1 or 2."""
    end: Floats
    """Of the buffer tile alone."""


def blocks_of(
    grid: Grid, unrolling: Unrolling, operand: Operand, window: Window | None, ports: Ports, copies: int
) -> Blocks:
    """The blocks of an operand for every entry."""
    own, one = own_groups(operand), grid.one_tile["G"]
    within = [groups_inside(operand, inside) for inside in INSIDE]
    figures: Floats = np.empty((len(FIGURES), len(INSIDE), len(grid.tiles)))
    for p, start in zip(grid.parts, grid.starts, strict=True):
        table = tile_table(unrolling, operand, window, p.extents, ports)
        columns = dict.fromkeys(ALL_GROUPS, np.zeros(1, dtype=np.intp))
        for dim, stride in table.strides.items():
            columns[group(dim)] = columns[group(dim)] + p.chosen[dim] * stride
        for inside in INSIDE:  # a group inside takes its first extents, the whole dims, which stand in column 0
            column = sum((columns[name] for name in (*own, "G") if name not in within[inside]), start=0)
            figures[:, inside, start : start + p.entries] = table.figures[:, column]
    swapped = np.stack(
        [_all(one, *(grid.one_tile[name] for name in own if name not in within[inside])) for inside in INSIDE]
    )
    return Blocks(
        elements=figures[ELEMENTS],
        final_accesses=figures[FINAL_ACCESSES],
        partial_accesses=figures[PARTIAL_ACCESSES],
        largest=figures[LARGEST],
        copies=np.where(swapped, 1.0, float(copies)),
        end=figures[END, :1],
    )


def operand_arrays(
    grid: Grid,
    unrolling: Unrolling,
    operand: Operand,
    window: Window | None,
    ports: Ports,
    energy: EnergyModel,
    inner_orders: Sequence[Sequence[str]],
    *,
    copies: int,
) -> OperandArrays:
    """All accesses of an operand; `copies` is 2 under double buffering."""
    output = operand == "output"
    repeats = _repeats(grid, unrolling, operand, ports, inner_orders)
    register = [p.register if ports.register else unrolling.lanes for p in grid.parts]
    tables = [single_tile(unrolling, operand, window, extents, ports) for extents in register]

    def constant(values: Sequence[float]) -> Floats:
        return over_parts(grid.parts, values)

    elements = constant([table[ELEMENTS] for table in tables])
    final = constant([table[FINAL_ACCESSES] for table in tables])
    partial = constant([table[PARTIAL_ACCESSES] for table in tables])
    rate = energy.register_pj_per_bit.get(operand, 0.0) if ports.register else 0.0
    again = repeats.array > 1
    read_pj, write_pj = energy.buffer_read_pj, energy.buffer_write_pj
    name = BUFFER_OF[operand]
    buffered = ports.min_bits is not None
    if output:
        bits = np.where(again, float(ports.partial_bits), float(ports.final_bits))
        collect = np.where(again, partial, final) * repeats.array
        feed = partial * (repeats.array - 1)
        collect_bits, feed_bits = elements * repeats.array * bits, elements * (repeats.array - 1) * bits
        moved = elements * (repeats.copies + repeats.array - 1) * ports.partial_bits
    else:
        bits = np.full((), float(ports.final_bits))
        feed, collect = final * repeats.array, np.zeros_like(repeats.array)
        feed_bits, collect_bits = elements * repeats.array * bits, np.zeros_like(repeats.array)
        moved = elements * repeats.copies * bits
    chip_pj = moved * rate + (feed_bits + collect_bits) * energy.broadcast_pj_per_bit
    inner, entries = len(inner_orders), len(grid.tiles)
    if not buffered:
        array_ends = constant([table[END] for table in tables]) * bits
        unheld = np.zeros((2, 4, entries))
        crossing = feed_bits * energy.memory_read_pj_per_bit + collect_bits * energy.memory_write_pj_per_bit

        def both(values: Floats) -> Floats:
            return np.broadcast_to(values[:, None], (inner, 2, 4, entries))

        return OperandArrays(
            feed_accesses=feed,
            collect_accesses=collect,
            chip_pj=chip_pj,
            memory_bits=both(feed_bits + collect_bits),
            crossing_pj=both(crossing),
            drain_accesses=unheld,
            fill_accesses=unheld,
            end_bits=both(np.broadcast_to(array_ends, (inner, 4, entries))),
            buffer_bits=np.broadcast_to(unheld, (inner, 2, 4, entries)),
            array_visits=repeats.array,
            buffer_visits=np.broadcast_to(repeats.array.max(axis=0), (2, 4, entries)),
        )
    blocks = blocks_of(grid, unrolling, operand, window, ports, copies)

    def held(values: Floats) -> Floats:
        """[holds, inside] of a block figure: the buffer tile alone, or with all groups inside the free one."""
        return np.stack([np.broadcast_to(values[:1], values.shape), values])

    visits = repeats.memory
    revisited = visits > 1
    if output:
        cross_bits = np.where(revisited, float(ports.partial_bits), float(ports.final_bits))
        accesses = np.where(revisited, held(blocks.partial_accesses), held(blocks.final_accesses))
        drain, fill = accesses * visits, accesses * (visits - 1)
        read_bits, write_bits = (
            held(blocks.elements) * cross_bits * (visits - 1),
            held(blocks.elements) * cross_bits * visits,
        )
    else:
        cross_bits = np.full((), float(ports.final_bits))
        fill = held(blocks.final_accesses) * visits
        drain = np.zeros_like(fill)
        read_bits, write_bits = held(blocks.elements) * cross_bits * visits, np.zeros_like(fill)
    crossing = read_bits * energy.memory_read_pj_per_bit + write_bits * energy.memory_write_pj_per_bit
    crossing = crossing + fill * write_pj[name] + drain * read_pj[name]
    room = held(blocks.largest) * held(blocks.copies)
    room_bits = room * (bits[:, None] if output else bits)

    def everywhere(values: Floats) -> Floats:
        return np.broadcast_to(values, (inner, 2, 4, entries))

    return OperandArrays(
        feed_accesses=feed,
        collect_accesses=collect,
        chip_pj=chip_pj + feed * read_pj[name] + collect * write_pj[name],
        memory_bits=everywhere(read_bits + write_bits),
        crossing_pj=everywhere(crossing),
        drain_accesses=drain,
        fill_accesses=fill,
        end_bits=everywhere(blocks.end * cross_bits),
        buffer_bits=everywhere(room_bits),
        array_visits=repeats.array,
        buffer_visits=visits,
    )
