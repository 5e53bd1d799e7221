"""What an operand moves between memory and its buffer, for every entry of a grid: axes as in `operand_arrays`.

Axis `holds` is 0 for an operand that holds one buffer tile, 1 for one that holds all loops inside its free group.
"""

from dataclasses import dataclass

import numpy as np

from mensa_sim.cost.counts.counts import BUFFER_OF, Ports
from mensa_sim.cost.counts.operand_arrays import INSIDE, ArraySide, all_of, groups_inside, own_groups
from mensa_sim.cost.counts.tiles import (
    ELEMENTS,
    END,
    FIGURES,
    FINAL_ACCESSES,
    FINAL_WORDS,
    LARGEST,
    PARTIAL_ACCESSES,
    PARTIAL_WORDS,
    Floats,
    tile_table,
)
from mensa_sim.cost.counts.window import Window
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import group
from mensa_sim.cost.mapping.grid import ALL_GROUPS, Bools, Grid
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.workload.dims import Operand

CROSSINGS = BODY_BITS, CROSSING_PJ, FILL_ACCESSES, DRAIN_ACCESSES, END_BITS = range(5)
"""Memory traffic beside the array's work, its energy with that of the buffer's memory side, that side's accesses, and
the first tile of a weight or input, the last one of an output. Weights and inputs have the first three as figures."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemorySide:
    """One operand's way from or to memory in one step; an axis along which nothing changes may have length 1."""

    figures: Floats
    """[crossing, holds, inner, inside]"""
    end_bits: Floats
    """[inner, inside] Of a weight or input."""
    buffer_bits: Floats
    """[holds, inner, inside] Room that it takes in its buffer, second copies included."""
    leaves: Bools
    """[holds, inner, inside] Sums leave the buffer before they are final."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """What an operand's buffer holds, [inside]: index 0 is the buffer tile, the others hold whole groups with it."""

    final_bits: Floats
    """What memory moves of final elements; below, of partial sums."""
    partial_bits: Floats
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
    figures: Floats = np.empty((len(FIGURES) if ports.word_bits > 1 else FINAL_WORDS, len(INSIDE), len(grid.tiles)))
    for p, start in zip(grid.parts, grid.starts, strict=True):
        table = tile_table(unrolling, operand, window, p.extents, ports)
        columns = dict.fromkeys(ALL_GROUPS, np.zeros(1, dtype=np.intp))
        for dim, stride in table.strides.items():
            columns[group(dim)] = columns[group(dim)] + p.chosen[dim] * stride
        for inside in INSIDE:  # a group inside takes its first extents, the whole dims, which stand in column 0
            column = sum((columns[name] for name in (*own, "G") if name not in within[inside]), start=0)
            figures[:, inside, start : start + p.entries] = table.figures[:, column]
    swapped = np.stack(
        [all_of(one, *(grid.one_tile[name] for name in own if name not in within[inside])) for inside in INSIDE]
    )
    return Blocks(
        final_bits=_moved_bits(figures, FINAL_WORDS, ports.final_bits, ports.word_bits),
        partial_bits=_moved_bits(figures, PARTIAL_WORDS, ports.partial_bits, ports.word_bits),
        final_accesses=figures[FINAL_ACCESSES],
        partial_accesses=figures[PARTIAL_ACCESSES],
        largest=figures[LARGEST],
        copies=np.where(swapped, 1.0, float(copies)),
        end=figures[END, :1],
    )


def _moved_bits(figures: Floats, words: int, bits: int, word_bits: int) -> Floats:
    moved: Floats = figures[ELEMENTS] * bits if word_bits == 1 else figures[words] * word_bits
    return moved


def _whole_words(bits: Floats, word_bits: int) -> Floats:
    words: Floats = bits if word_bits == 1 else np.ceil(bits / word_bits) * word_bits
    return words


def memory_side(
    array: ArraySide, blocks: Blocks | None, operand: Operand, ports: Ports, energy: EnergyModel
) -> MemorySide:
    """What an operand does on the memory's side of its buffer, or at memory itself without one."""
    if blocks is None:
        return _unbuffered(array, operand, ports, energy)
    return (
        _stored(array, blocks, ports, energy) if operand == "output" else _filled(array, blocks, operand, ports, energy)
    )


def _unbuffered(array: ArraySide, operand: Operand, ports: Ports, energy: EnergyModel) -> MemorySide:
    read_bits, write_bits = array.feed_bits, array.collect_bits
    if ports.word_bits > 1:
        read_bits, write_bits = array.read_words * ports.word_bits, array.written_words * ports.word_bits
    bits = read_bits + write_bits
    pj = read_bits * energy.memory_read_pj_per_bit + write_bits * energy.memory_write_pj_per_bit
    ends = np.broadcast_to(_whole_words(array.end_bits, ports.word_bits), bits.shape)
    nothing = np.zeros_like(bits)
    figures = [bits - ends, pj, nothing, *((nothing, ends) if operand == "output" else ())]
    return MemorySide(
        figures=np.repeat(np.stack(figures)[:, None], 2, axis=1),
        end_bits=ends,
        buffer_bits=np.zeros((2, 1, 1, 1)),
        leaves=np.broadcast_to(array.partial, (2, *array.partial.shape)),
    )


def _filled(array: ArraySide, blocks: Blocks, operand: Operand, ports: Ports, energy: EnergyModel) -> MemorySide:
    """Each tile of a weight or input is filled once per trip."""
    bits, ends = blocks.final_bits, _whole_words(blocks.end * ports.final_bits, ports.word_bits)
    figures = np.empty((3, 2, 1, *bits.shape))
    for figure, values in ((BODY_BITS, bits), (FILL_ACCESSES, blocks.final_accesses)):
        np.multiply(values[0], array.memory_trips, out=figures[figure, 0, 0])
        figures[figure, 1, 0] = values
    write_pj = energy.buffer_write_pj[BUFFER_OF[operand]]
    np.multiply(figures[BODY_BITS], energy.memory_read_pj_per_bit, out=figures[CROSSING_PJ])
    figures[CROSSING_PJ] += figures[FILL_ACCESSES] * write_pj
    figures[BODY_BITS] -= ends
    return MemorySide(
        figures=figures,
        end_bits=ends[None],
        buffer_bits=_room(blocks)[:, None] * ports.final_bits,
        leaves=np.zeros((2, 1, 1, 1), dtype=bool),
    )


def _stored(array: ArraySide, blocks: Blocks, ports: Ports, energy: EnergyModel) -> MemorySide:
    """Each tile of an output is drained once per trip and, but for the first one, filled before it."""
    trips, before = array.memory_trips, array.memory_trips - 1
    leaves = trips > 1
    bits = np.where(leaves, float(ports.partial_bits), float(ports.final_bits))
    accesses = np.where(leaves, blocks.partial_accesses[0], blocks.final_accesses[0])
    tile_bits = np.where(leaves, blocks.partial_bits[0], blocks.final_bits[0])
    figures = np.empty((len(CROSSINGS), 2, 1, *trips.shape))
    tiles, groups = figures[:, 0, 0], figures[:, 1, 0]
    np.multiply(accesses, trips, out=tiles[DRAIN_ACCESSES])
    np.multiply(accesses, before, out=tiles[FILL_ACCESSES])
    read_bits, write_bits = tile_bits * before, tile_bits * trips
    tiles[END_BITS] = _whole_words(blocks.end[0] * bits, ports.word_bits)
    np.add(read_bits, write_bits, out=tiles[BODY_BITS])
    groups[DRAIN_ACCESSES], groups[FILL_ACCESSES] = blocks.final_accesses, 0.0
    groups[BODY_BITS] = blocks.final_bits
    groups[END_BITS] = _whole_words(blocks.end * ports.final_bits, ports.word_bits)
    tiles[CROSSING_PJ] = read_bits * energy.memory_read_pj_per_bit + write_bits * energy.memory_write_pj_per_bit
    np.multiply(groups[BODY_BITS], energy.memory_write_pj_per_bit, out=groups[CROSSING_PJ])
    name = BUFFER_OF["output"]
    figures[CROSSING_PJ] += figures[FILL_ACCESSES] * energy.buffer_write_pj[name]
    figures[CROSSING_PJ] += figures[DRAIN_ACCESSES] * energy.buffer_read_pj[name]
    figures[BODY_BITS] -= figures[END_BITS]
    sums = np.where(array.partial, float(ports.partial_bits), float(ports.final_bits))
    return MemorySide(
        figures=figures,
        end_bits=np.zeros((1, 1, 1)),
        buffer_bits=_room(blocks)[:, None] * sums,
        leaves=np.stack([leaves, np.zeros_like(leaves)])[:, None],
    )


def _room(blocks: Blocks) -> Floats:
    """[holds, inside] Elements that a buffer has room for: the tile alone, or with all groups inside the free one."""
    room = blocks.largest * blocks.copies
    return np.stack([np.broadcast_to(room[:1], room.shape), room])
