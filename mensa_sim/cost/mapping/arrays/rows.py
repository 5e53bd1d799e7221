"""One operand's accesses for every entry of a grid and every order of loops: what the search adds up.

Axis `holds` is 0 for an operand whose outermost SRAM holds a tile, 1 for one that holds all loops up to its free group.
Other axes as in `visits`; a row is an order of the outermost block, and takes the `inside` that is its own. Until rows
are picked, axis `row` is `inside` itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats, changed
from mensa_sim.cost.counts.crossing import Boundary, boundaries, boundary, memory_bits, whole_words, words
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.counts.ways import Way
from mensa_sim.cost.mapping.arrays.grid import Grid
from mensa_sim.cost.mapping.arrays.tiles import inner_tiles, last_tiles, whole_tiles
from mensa_sim.cost.mapping.arrays.visits import INSIDE, StopArrays, VisitArrays, stop_arrays
from mensa_sim.cost.mapping.candidates import GroupOrder, stage_of
from mensa_sim.cost.mapping.task import Target
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand

Scalar = TypeVar("Scalar", np.float64, np.bool_)

CROSSINGS = BODY_BITS, CROSSING_PJ, FILL_ACCESSES, DRAIN_ACCESSES, END_BITS = range(5)
"""Memory traffic beside the array's work, its energy with that of the outermost SRAM's memory side, that side's
accesses, and the first tile of a weight or input, the last one of an output."""

NOTHING: Floats = np.zeros((1, 1, 1))
_OF_TASKS = ("way", "stop", "waits")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortRows:
    """Accesses at one SRAM that happen in each step: [inner, row, entry]."""

    stop: StopArrays
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
    """Times that the registers take up another tile, of the operand that fills the array; nothing of others."""
    wait_cycles: Floats
    """In which the array waits for its inner levels; nothing where `waits` is false."""
    waits: bool
    partial: Bools
    """Sums come to the outermost SRAM before they are final."""
    crossings: Floats
    """[crossing, holds, inner, row, entry] What happens only when the operand is fetched, or leaves."""
    leaves: Bools
    """[holds, inner, row, entry] Sums leave for memory before they are final."""

    def crossing(self, holds: Bools) -> Floats:
        """[crossing, inner, row, entry] of candidates where the operand holds more than a tile, or not."""
        if self.crossings.shape[1] == 1 or holds.all():
            return self.crossings[:, -1]
        picked: Floats = np.where(holds, self.crossings[:, 1], self.crossings[:, 0])
        return picked

    def of_rows(self, inside: Indices) -> "OperandRows":
        """The rows that take these `inside`."""
        return self._taken(inside, -2)

    def at(self, entries: Indices) -> "OperandRows":
        """Those of some entries."""
        return self._taken(entries, -1)

    def _taken(self, which: Indices, axis: int) -> "OperandRows":
        return changed(self, lambda each: each if each.shape[axis] == 1 else each.take(which, axis=axis), _OF_TASKS)

    def least(self) -> "OperandRows":
        """One row that no order of loops is below, in any figure and in what it asks of the levels."""
        few = changed(self, lambda values: values.min(axis=(-3, -2), keepdims=True), _OF_TASKS)
        either = {name: getattr(few, name).min(axis=-4, keepdims=True) for name in ("crossings", "leaves")}
        ports = tuple(replace(port, room_bits=port.room_bits.min(axis=0, keepdims=True)) for port in few.ports)
        return replace(few, ports=ports, **either)

    def most(self) -> "OperandRows":
        """One row that no order of loops is above, in any figure."""
        return changed(self, lambda values: values.max(axis=(-3, -2), keepdims=True), _OF_TASKS)


class OperandArrays:
    """The arrays of one operand: [inner, inside, entry].

    With `least` one `inside` stands for all orders of the outermost block: no more comes again than under any of them,
    and what crosses at memory is compulsory. So it is of a bare grid, which knows no last tiles.
    """

    def __init__(
        self, target: Target, grid: Grid, operand: Operand, inner: Sequence[GroupOrder], *, least: bool = False
    ) -> None:
        self.energy, self.grid, self.accelerator = target.energy, grid, target.accelerator
        dataflow = target.accelerator.dataflow
        self._fills = dataflow.pipeline_cycles_per == "pass" and dataflow.stationary == operand
        way = grid.tasks[0].ways[operand]  # widths and levels are those of all nests
        self._least = least or grid.bare
        narrow = way.narrowest
        self._ends = narrow if self._least else way
        """Its way out: as sums may be narrower than what they end as, the least takes the least of both."""
        self.way = way = narrow if least else way
        self.stops = stop_arrays(grid, operand)
        insides = INSIDE[:1] if self._least else INSIDE
        self.visits = VisitArrays(grid, operand, inner, insides)
        stages = [stage_of(way, index, grid.stages) for index in range(len(way.stops))]
        within = stages[:-1] if way.ported else stages
        whole = whole_tiles(grid, operand)
        known = {
            stage: whole if grid.bare and stage >= grid.known else inner_tiles(grid, operand, grid.numbers(stage))
            for stage in within
        }
        self.stages = stages
        self.tiles = [
            inner_tiles(grid, operand, grid.pool.lanes[grid.chains.task]),
            *(known[stage] for stage in within),
        ]
        ends = (None, *self.stops, None)
        visits = [self.visits.passing(ends[1])]
        visits += [self.visits.visits(stage, *ends[b : b + 2]) for b, stage in enumerate(within, start=1)]
        self.bounds = boundaries(way, self.stops, self.tiles, visits)
        """Those inside the outermost SRAM; all where there is none."""
        if not way.ported:
            self.alone = self.every = self.tiles[-1]
        elif grid.bare:
            self.alone, self.every = inner_tiles(grid, operand, grid.chains.tiles[-1]), whole
        else:
            last = last_tiles(grid, operand, insides)
            self.alone, self.every = last.at(last.columns[:1]), whole if least else last
        """Tiles of the outermost SRAM, without whole groups and with them, or the least that they are and the most;
        without such an SRAM what memory sees."""
        self.partial: Bools = cube(np.logical_and(len(self.bounds) > 1, self.bounds[-1].visits.times > 1))
        """Whether sums come to the outermost SRAM, or to memory, before they are final."""

    def accesses(self) -> OperandRows:
        """Everything that the search adds up."""
        chip_pj: list[Floats] = []
        reads: list[list[Floats]] = [[] for _ in self.stops]
        writes: list[list[Floats]] = [[] for _ in self.stops]
        wait_cycles: list[Floats] = []
        for number, each in enumerate(self.bounds):
            crossing = each.crossing
            for index, accesses, taken, put in (
                (number - 1, each.inner_accesses, crossing.drains, crossing.fills),
                (number, each.outer_accesses, crossing.feeds, crossing.collects),
            ):
                if accesses is None:
                    continue
                name, spent_pj = self.stops[index].level.name, []
                if isinstance(taken, np.ndarray):
                    reads[index].append(out := accesses * taken)
                    done = out * (1 - self.way.skipped) if self.way.skipped and not number else out
                    spent_pj.append(done * self.energy.read_pj[name])
                if isinstance(put, np.ndarray):
                    writes[index].append(back := accesses * put)
                    spent_pj.append(back * self.energy.write_pj[name])
                chip_pj += [total(spent_pj)] if spent_pj else []
            if number and self.stops[number - 1].level.waits and number < len(self.stops):
                wait_cycles.append(self._waited(self.stops[number], each))
            if number == self.way.in_array:
                chip_pj.append(each.wire_bits * self.energy.broadcast_pj_per_bit)
        ports = [
            PortRows(
                stop=stop,
                reads=cube(total(reads[index])),
                writes=cube(total(writes[index])),
                room_bits=self._room(index, stop),
            )
            for index, stop in enumerate(self.stops)
            if stop.level.ported
        ]
        registers = self.bounds[1 if len(self.way.stops) > self.way.ported else 0]
        crossings, leaves = self._at_memory()
        return OperandRows(
            way=self.way,
            ports=tuple(ports),
            chip_pj=cube(total(chip_pj)),
            swaps=cube(registers.visits.times * registers.tiles.number) if self._fills else NOTHING,
            wait_cycles=cube(total(wait_cycles)),
            waits=bool(wait_cycles),
            partial=self.partial,
            crossings=crossings,
            leaves=leaves,
        )

    def _waited(self, outside: StopArrays, each: Boundary[Floats]) -> Floats:
        """[inner, inside, entry] Cycles that a level takes to feed the one inside it and to take back what leaves."""
        level, spread = outside.level, self.grid.each(outside.instances)
        fed, taken = each.outer_accesses * each.crossing.feeds, each.outer_accesses * each.crossing.collects
        found: Floats = np.ceil(fed * level.access_bits / (level.read_width * spread)) + np.ceil(
            taken * level.access_bits / (level.write_width * spread)
        )
        return found

    def _room(self, index: int, stop: StopArrays) -> Floats:
        """[holds, inner, inside, entry] Bits of an instance."""
        way, copies, last = self.way, self.accelerator.copies(stop.level), index == len(self.way.stops) - 1
        if not last and self.grid.bare and self.stages[index] >= self.grid.known:
            return np.zeros((1, 1, 1, 1))
        width: Any = way.room_bits
        if way.partial_bits != way.room_bits:
            width = np.where(cube(self.bounds[index].visits.times > 1), way.partial_bits, self._ends.room_bits)
        if not last:
            held = self.tiles[index + 1].taken(stop.stops, copies)
            room: Floats = held * width
            return room.reshape((1,) * (4 - room.ndim) + room.shape)
        if self._least:
            held = cube(np.minimum(self.alone.held(stop.stops) * copies, self.every.held(stop.stops)))[None]
        else:
            taken = self.every.taken(stop.stops, copies)
            held = np.stack([np.broadcast_to(taken[:1], taken.shape), taken])[:, None]
        found: Floats = held * width
        return found

    def held(self, index: int) -> Floats:
        """[entry], of the outermost SRAM [inside, entry], elements of a level's fullest instance."""
        last = index == len(self.stops) - 1 and self.way.ported
        return (self.every if last else self.tiles[index + 1]).held(self.stops[index].stops)

    def _at_memory(self) -> tuple[Floats, Bools]:
        """[crossing, holds, inner, inside, entry] and whether sums leave before they are final."""
        if not self.way.ported:
            found = self.bounds[-1]
            shape = np.broadcast_shapes(self.partial.shape, np.shape(found.crossing.feeds), np.shape(found.tiles.end))
            figures: Floats = np.zeros((len(CROSSINGS), 1, *shape))
            self._fill(figures[:, 0], found, found.tiles.end)
            leaves = np.broadcast_to(self.partial, (2, *self.partial.shape))
            return np.broadcast_to(figures, (len(CROSSINGS), 2, *shape)), leaves
        stop, way = self.stops[-1], self._ends
        if self._least:
            figures = np.zeros((len(CROSSINGS), 1, 1, 1, len(self.grid.tiles)))
            once = self.visits.held(stop, None)
            self._fill(figures[:, 0], boundary(way, (stop, None), self.every, once, sums=False), self.alone.end)
            return figures, np.zeros((1, 1, 1, 1), dtype=bool)
        visits = self.visits.visits(self.grid.stages - 1, stop, None)
        figures = np.zeros((len(CROSSINGS), 2, 1, len(INSIDE), len(self.grid.tiles)))
        for holds, tiles, times in ((0, self.alone, visits), (1, self.every, self.visits.held(stop, None))):
            self._fill(figures[:, holds], boundary(way, (stop, None), tiles, times, sums=False), self.alone.end)
        leaves = (visits.times > 1) & (self.way.operand == "output")
        return figures, np.stack([leaves, np.zeros_like(leaves)])

    def _fill(self, figures: Floats, found: Boundary[Floats], end: Floats) -> None:
        """Writes what crosses at memory to figures: [crossing, inner, inside, entry]."""
        way, energy, crossing = self.way, self.energy, found.crossing
        output = way.operand == "output"
        moved = words(way, found.tiles, crossing) * way.memory_share
        np.multiply(moved, crossing.feeds, out=figures[BODY_BITS])
        np.multiply(figures[BODY_BITS], energy.memory_read_pj_per_bit, out=figures[CROSSING_PJ])
        if output:
            writes = moved * crossing.collects
            figures[BODY_BITS] += writes
            figures[CROSSING_PJ] += writes * energy.memory_write_pj_per_bit
        if way.ported:
            name = way.stops[-1].level.name
            np.multiply(found.inner_accesses, crossing.fills, out=figures[FILL_ACCESSES])
            figures[CROSSING_PJ] += figures[FILL_ACCESSES] * energy.write_pj[name]
            if output:
                np.multiply(found.inner_accesses, crossing.drains, out=figures[DRAIN_ACCESSES])
                figures[CROSSING_PJ] += figures[DRAIN_ACCESSES] * energy.read_pj[name]
            if way.wired_to_memory:
                figures[CROSSING_PJ] += found.wire_bits * energy.broadcast_pj_per_bit
        ends = whole_words(end * memory_bits(way, crossing), way.word_bits) * way.memory_share
        figures[END_BITS] = figures[BODY_BITS] if way.waits else ends
        figures[BODY_BITS] -= figures[END_BITS]


def cube(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """At least three axes."""
    found = np.asarray(values)
    return found.reshape((1,) * (3 - found.ndim) + found.shape) if found.ndim < 3 else found


def total(terms: Sequence[Floats]) -> Floats:
    """The sum of arrays; nothing is a zero."""
    return reduce(np.add, terms) if terms else NOTHING
