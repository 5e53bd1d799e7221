"""One operand's accesses for every entry of a grid and every order of loops: what the search adds up.

Axis `holds` is 0 for an operand whose outermost SRAM holds a tile, 1 for one that holds all loops up to its free group.
Other axes as in `visits`; a row is an order of the outermost block, and takes the `inside` that is its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.crossing import Tiles, TileTraffic, Visits, accesses, cross, whole_words, words
from mensa_sim.cost.counts.room import own_elements
from mensa_sim.cost.counts.tiles import Indices, OneTiling, one_tiling
from mensa_sim.cost.counts.ways import Stop, Way
from mensa_sim.cost.counts.window import window_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import GroupOrder, group, stage_of
from mensa_sim.cost.mapping.grid import Grid, per_entry
from mensa_sim.cost.mapping.grid_tiles import Alone, InnerTiles, LastTiles
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.cost.mapping.visits import INSIDE, VisitArrays, groups_inside, own_groups
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.workload.layer import LoopNest

Scalar = TypeVar("Scalar", np.float64, np.bool_)

CROSSINGS = BODY_BITS, CROSSING_PJ, FILL_ACCESSES, DRAIN_ACCESSES, END_BITS = range(5)
"""Memory traffic beside the array's work, its energy with that of the outermost SRAM's memory side, that side's
accesses, and the first tile of a weight or input, the last one of an output."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortRows:
    """Accesses at one SRAM that happen in each step: [inner, row, entry]."""

    stop: Stop
    reads: Floats
    writes: Floats
    room_bits: Floats
    """[holds, inner, row, entry] What the operand takes of an instance, second copies included."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperandRows:
    """One operand's accesses in one step: [inner, row, entry], any of length 1 where nothing changes."""

    way: Way
    ports: tuple[PortRows, ...]
    """By SRAM, innermost first; without the memory side of the outermost one."""
    chip_pj: Floats
    """Energy of all that happens in each step."""
    swaps: Floats
    """Times that the registers take up another tile."""
    partial: Bools
    """Sums come to the outermost SRAM before they are final."""
    crossings: Floats
    """[crossing, holds, inner, row, entry] What happens only when the operand is fetched, or leaves."""
    leaves: Bools
    """[holds, inner, row, entry] Sums leave for memory before they are final."""

    def crossing(self, holds: Bools) -> Floats:
        """[crossing, inner, row, entry] of candidates where the operand holds more than a tile, or not."""
        if holds.all():
            return self.crossings[:, 1]
        picked: Floats = np.where(holds, self.crossings[:, 1], self.crossings[:, 0])
        return picked


class RowMaker:
    """Makes the rows of each operand of a nest."""

    def __init__(
        self,
        nest: LoopNest,
        accelerator: PeArray,
        energy: EnergyModel,
        grid: Grid,
        unrolling: Unrolling,
        inner: Sequence[GroupOrder],
    ) -> None:
        self._nest, self._accelerator, self._energy = nest, accelerator, energy
        self._grid, self._unrolling, self._inner = grid, unrolling, inner

    def rows(self, way: Way, inside: Sequence[int]) -> OperandRows:
        """The rows of an operand; `inside` says which of its own groups each row has inside the free one."""
        return _Arrays(self, way).rows(np.array(inside))


class _Arrays:
    """The arrays of one operand, before rows are picked: [inner, inside, entry]."""

    def __init__(self, maker: RowMaker, way: Way) -> None:
        self.nest, self.energy, self.grid, self.unrolling = maker._nest, maker._energy, maker._grid, maker._unrolling
        self.accelerator, self.way = maker._accelerator, way
        self.visits = VisitArrays(self.grid, self.unrolling, way.operand, maker._inner)
        window = window_of(self.nest) if way.operand == "input" else None
        stages = [stage_of(way, index, self.grid.stages) for index in range(len(way.stops))]
        last = self.grid.stages - 1
        # The operand's stops by boundary: the array is boundary 0's inside and keeps nothing.
        self.pass_tile: OneTiling = one_tiling(self.unrolling, way.operand, window, self.unrolling.lanes)
        known: dict[int, InnerTiles] = {}
        for stage in stages:
            if stage < last:
                known.setdefault(stage, InnerTiles(self.grid, self.unrolling, way.operand, window, stage))
        self.stages, self.inner_tiles = stages, known
        self.last_tiles = LastTiles(self.grid, self.unrolling, way.operand, window) if way.ported else None
        self.chip_pj: Floats = np.zeros((1, 1, 1))
        self.reads: dict[int, Floats] = {}
        self.writes: dict[int, Floats] = {}
        self.swaps: Floats = np.ones((1, 1, 1))
        self.partial: Bools = np.zeros((1, 1, 1), dtype=bool)
        inner = len(way.stops) if way.ported else len(way.stops) + 1
        for boundary in range(inner):
            self._inside(boundary)

    def _stop(self, index: int) -> Stop | None:
        return self.way.stops[index] if 0 <= index < len(self.way.stops) else None

    def _inside(self, boundary: int) -> None:
        """Adds what a boundary inside the chip sees, or one at memory where no SRAM stands between."""
        way, inside, outside = self.way, self._stop(boundary - 1), self._stop(boundary)
        if boundary == 0:
            visits: Visits[Any] = self.visits.passing(outside)
            tiles: Tiles[Any] = self.pass_tile
        else:
            visits = self.visits.visits(self.stages[boundary - 1], inside, outside)
            tiles = self.inner_tiles[self.stages[boundary - 1]]
        crossing = cross(way, visits, sums=not boundary)
        if boundary == (1 if way.stops and not way.stops[0].level.ported else 0):
            number = self.pass_tile.number if boundary == 0 else self.inner_tiles[0].number
            self.swaps = _cube(visits.times * number)
        for index, stop, reads, writes in (
            (boundary - 1, inside, crossing.drains, crossing.fills),
            (boundary, outside, crossing.feeds, crossing.collects),
        ):
            if stop is not None:
                self._add(index, stop, accesses(way, stop, tiles, crossing), reads, writes)
        if boundary == way.in_array:
            wires = tiles.elements * crossing.bits * (crossing.feeds + crossing.collects)
            self.chip_pj = self.chip_pj + wires * self.energy.broadcast_pj_per_bit
        if boundary:
            self.partial = _cube(visits.times > 1)
        self.memory = tiles, crossing

    def _add(self, index: int, stop: Stop, each: Floats, reads: Floats, writes: Floats) -> None:
        name = stop.level.name
        reads, writes = each * reads, each * writes
        self.chip_pj = self.chip_pj + (reads * self.energy.read_pj[name] + writes * self.energy.write_pj[name])
        if stop.level.ported:
            self.reads[index] = self.reads.get(index, np.zeros((1, 1, 1))) + reads
            self.writes[index] = self.writes.get(index, np.zeros((1, 1, 1))) + writes

    def rows(self, inside: Indices) -> OperandRows:
        """Everything picked by row."""
        way, ports = self.way, []
        for index, stop in enumerate(way.stops):
            if stop.level.ported:
                ports.append(
                    PortRows(
                        stop=stop,
                        reads=_rows(_cube(self.reads[index]), inside),
                        writes=_rows(_cube(self.writes[index]), inside),
                        room_bits=_rows(self._room(index, stop), inside),
                    )
                )
        crossings, leaves = self._at_memory()
        return OperandRows(
            way=way,
            ports=tuple(ports),
            chip_pj=_rows(_cube(self.chip_pj), inside),
            swaps=_rows(self.swaps, inside),
            partial=_rows(self.partial, inside),
            crossings=_rows(crossings, inside),
            leaves=_rows(leaves, inside),
        )

    def _room(self, index: int, stop: Stop) -> Floats:
        """[holds, inner, inside, entry] Bits of an instance: the tile, and its second copy unless it is the whole."""
        way, copies = self.way, self.accelerator.copies(stop.level)
        if index < len(way.stops) - 1:
            tiles = self.inner_tiles[self.stages[index]]
            extents = [p.chain.tiles[self.stages[index]] for p in self.grid.parts]
            parts = [own_elements(self.nest, way.operand, stop, each) for each in extents]
            held = tiles.largest if stop.spread == 1 else self.grid.per_part(parts)
            room: Floats = held * way.partial_bits * np.where(tiles.single > 0, 1, copies)
            return room[None, None, None]
        assert self.last_tiles is not None
        own, one = own_groups(way.operand), self.grid.still[-1]
        within = [groups_inside(way.operand, inside) for inside in INSIDE]
        single = np.stack(
            [np.logical_and.reduce([one[name] for name in (*own, "G") if name not in within[i]]) for i in INSIDE]
        )
        held = self.last_tiles.largest if stop.spread == 1 else self._own(stop)
        held = held * np.where(single, 1.0, float(copies))
        room = np.stack([np.broadcast_to(held[:1], held.shape), held])[:, None]
        return room * np.where(self.partial, float(way.partial_bits), float(way.final_bits))

    def _own(self, stop: Stop) -> Floats:
        """[inside, entry] Elements of an instance."""
        parts, sizes = self.grid.parts, self.unrolling.sizes
        tile = {dim: per_entry(parts, dim, float) for dim in stop.own}
        found = []
        for inside in INSIDE:
            whole = groups_inside(self.way.operand, inside)
            extents = {dim: tile[dim] * 0 + sizes[dim] if group(dim) in whole else tile[dim] for dim in stop.own}
            found.append(own_elements(self.nest, self.way.operand, stop, extents))
        return np.stack(found)

    def _at_memory(self) -> tuple[Floats, Bools]:
        """[crossing, holds, inner, inside, entry] and whether sums leave before they are final."""
        if self.last_tiles is None:
            tiles, crossing = self.memory
            shape = np.broadcast_shapes(self.partial.shape, np.shape(crossing.feeds), np.shape(tiles.end))
            figures: Floats = np.zeros((len(CROSSINGS), 1, *shape))
            self._fill(figures[:, 0], tiles, crossing, tiles.end, None)
            leaves = np.broadcast_to(self.partial, (2, *self.partial.shape))
            return np.broadcast_to(figures, (len(CROSSINGS), 2, *shape)), leaves
        last, stop = self.grid.stages - 1, self.way.stops[-1]
        alone = Alone(self.last_tiles)
        visits = self.visits.visits(last, stop, None)
        figures = np.zeros((len(CROSSINGS), 2, 1, len(INSIDE), len(self.grid.tiles)))
        self._fill(figures[:, 0], alone, cross(self.way, visits), alone.end, stop)
        self._fill(figures[:, 1], self.last_tiles, cross(self.way, self.visits.held(stop, None)), alone.end, stop)
        leaves = (visits.times > 1) & (self.way.operand == "output")
        return figures, np.stack([leaves, np.zeros_like(leaves)])

    def _fill(
        self, figures: Floats, tiles: Tiles[Any], crossing: TileTraffic[Any], end: Floats, stop: Stop | None
    ) -> None:
        """Writes what crosses to figures: [crossing, inner, inside, entry]."""
        way, energy = self.way, self.energy
        output = way.operand == "output"
        moved = words(way, tiles, crossing)
        np.multiply(moved, crossing.feeds, out=figures[BODY_BITS])
        np.multiply(figures[BODY_BITS], energy.memory_read_pj_per_bit, out=figures[CROSSING_PJ])
        if output:
            writes = moved * crossing.collects
            figures[BODY_BITS] += writes
            figures[CROSSING_PJ] += writes * energy.memory_write_pj_per_bit
        if stop is not None:
            each, name = accesses(way, stop, tiles, crossing), stop.level.name
            np.multiply(each, crossing.fills, out=figures[FILL_ACCESSES])
            figures[CROSSING_PJ] += figures[FILL_ACCESSES] * energy.write_pj[name]
            if output:
                np.multiply(each, crossing.drains, out=figures[DRAIN_ACCESSES])
                figures[CROSSING_PJ] += figures[DRAIN_ACCESSES] * energy.read_pj[name]
            if way.wired_to_memory:
                wires = tiles.elements * crossing.bits * (crossing.feeds + crossing.collects)
                figures[CROSSING_PJ] += wires * energy.broadcast_pj_per_bit
        figures[END_BITS] = whole_words(end * crossing.bits, way.word_bits)
        figures[BODY_BITS] -= figures[END_BITS]


def _cube(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """At least three axes."""
    found = np.asarray(values)
    return found.reshape((1,) * (3 - found.ndim) + found.shape) if found.ndim < 3 else found


def _rows(values: npt.NDArray[Scalar], index: Indices) -> npt.NDArray[Scalar]:
    return values if values.shape[-2] == 1 else values.take(index, axis=-2)
