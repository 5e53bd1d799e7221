"""Which of some chains of inner tiles no other one of the same outermost tile beats, whatever lies above them.

What lies above decides how often each operand comes again. An operand whose loops have not begun when the outermost
tile ends waits for that at its inner levels too. Figures only grow with it, each operand's apart from the others', so a
chain that is no worse where any of the operands never come again, or always do, is no worse in between.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise, product
from operator import and_, or_

import numpy as np

from mensa_sim.arrays import Bools, Floats, distinct
from mensa_sim.cost.counts.tally import least_common
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.grid import Entries
from mensa_sim.cost.mapping.arrays.rows import BODY_BITS, CROSSING_PJ, END_BITS, OperandRows, total
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Order, Sides
from mensa_sim.cost.mapping.candidates import group, stage_count, stage_of
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.hardware.array.levels import Level
from mensa_sim.workload.dims import OPERANDS, Operand, relevant

_BLOCK = 64
"""Rows of a kind that are compared with all others of it at once, if kinds have more: a choice."""


class Rivals:
    """Some chains, what operands do in each: [inner, 1, chain], and the passes of the array: [chain]."""

    def __init__(
        self,
        pool: TilePool,
        chains: Chains,
        rows: Mapping[Operand, OperandRows],
        pass_cycles: Floats,
        residencies: Sequence[BufferCase],
        orders: Sequence[Order],
    ) -> None:
        tasks = pool.tasks
        self._target, self._chains, self._pass_cycles = tasks[0].target, chains, pass_cycles
        self._residencies, self._entries = residencies, Entries(tasks, chains.task)
        self._pool, self._stages = pool, stage_count(tasks[0].ways)
        self._outermost = len(chains.tiles) - 1
        """The stage of the outermost tile."""
        self._spared = {operand: each.least() for operand, each in rows.items()}
        self._most = {operand: each.most() for operand, each in rows.items()}
        self._sides = Sides(self._target, self._entries, self._most, orders)
        self._waiting = {operand: self._waits(operand) for operand in OPERANDS}
        """[stage][chain] Whether the operand's own tile of an inner stage is still that of the outermost one."""

    def _waits(self, operand: Operand) -> dict[int, Bools]:
        way, tiles = self._spared[operand].way, self._chains.tiles
        own = self._pool.places(tuple(dim for dim in self._pool.dims if relevant(operand, dim) or group(dim) == "G"))
        stages = {stage_of(way, index, self._stages) for index in range(len(way.stops))}
        return {stage: own[tiles[stage]] == own[tiles[-1]] for stage in sorted(stages) if stage < self._outermost}

    def unbeaten(self) -> Indices:
        """Those than which no other one of the same outermost tile is better."""
        passed = {port.stop.level.name for each in self._most.values() for port in each.ports}
        levels = [(each, self._changes(each)) for each in self._target.accelerator.levels if each.name in passed]
        figures = [self._pass_cycles, *self._busiest(levels)]
        waiting = [operand for operand, each in self._waiting.items() if any(waits.any() for waits in each.values())]
        for spared in product((False, True), repeat=len(waiting)):
            some = {operand: self._spared[operand] for operand, spare in zip(waiting, spared, strict=True) if spare}
            figures += self._figures({**self._most, **some}, levels)
        total_chains = len(self._chains.task)
        values = [each for each in figures if len(each) == total_chains and each.max() > each.min()]
        way = self._most["output"].way
        # Sums narrower than what they end as are the one figure that falls where an operand comes again.
        apart = self._waiting["output"].values() if way.partial_bits < way.final_bits else ()
        _, kind = distinct([self._chains.tiles[-1], *(each.astype(np.intp) for each in apart)])
        return front(kind, np.stack(values or [np.zeros(total_chains)]))

    def _figures(self, rows: Mapping[Operand, OperandRows], levels: Sequence[tuple[Level, Bools]]) -> Iterator[Floats]:
        """[figure][chain] All that a price depends on, but for the array's passes and levels that nothing changes."""
        dataflow, grid, capacity_bits = self._target.accelerator.dataflow, self._entries, self._sides.capacity_bits
        yield total([each.chip_pj for each in rows.values()])[0, 0]
        yield from (each.wait_cycles[0, 0] for each in rows.values() if each.waits)
        yield rows["output"].partial[0, 0].astype(np.float64)
        if dataflow.pipeline_cycles_per == "pass":
            yield rows[dataflow.stationary].swaps[0, 0]
        for each in rows.values():
            if not each.ports:
                yield from (each.crossings[figure, 0, 0, 0] for figure in (BODY_BITS, CROSSING_PJ, END_BITS))
        for level, changes in levels:
            passing = [(operand, port) for operand, each in rows.items() for port in each.ports]
            ports = level.by_port(each for each in passing if each[1].stop.level.name == level.name)
            for some in ports:
                units = least_common([port.stop.instances for port in some])
                parts = [grid.each(units // port.stop.instances) for port in some]
                yield total([port.reads * part for port, part in zip(some, parts, strict=True)])[0, 0] * changes
                yield total([port.writes * part for port, part in zip(some, parts, strict=True)])[0, 0] * changes
            room_bits = total([port.room_bits[0] for some in ports for port in some])[0, 0]
            yield (
                room_bits
                if self._last_stage(level) >= self._outermost
                else np.maximum(room_bits, capacity_bits[level.name])
            )

    def _passing(self, level: Level) -> list[tuple[Operand, int]]:
        """The operands that pass a level, and the stage in which it stands on their way."""
        return [
            (operand, stage_of(each.way, index, self._stages))
            for operand, each in self._most.items()
            for index, stop in enumerate(each.way.stops)
            if stop.level.name == level.name
        ]

    def _last_stage(self, level: Level) -> int:
        return max(stage for _, stage in self._passing(level))

    def _settled(self, level: Level) -> Bools:
        """[chain] Where no further loops change what a level does: it lies inside, and no operand waits there."""
        found = np.ones(len(self._chains.task), dtype=bool)
        for operand, stage in self._passing(level):
            found &= ~self._waiting[operand][stage] if stage < self._outermost else False
        return found

    def _changes(self, level: Level) -> Bools:
        """[chain] Where further loops change what a level does, and it may hold the array up if they do."""
        found = ~self._settled(level)
        if self._last_stage(level) > self._outermost:
            return found
        binds = np.zeros_like(found)
        for case in self._cases([level]):
            binds |= self._sides.port_cycles(level, OPERANDS, {}, case)[0, 0] > self._array_cycles(case)
        return found & binds

    def _busiest(self, levels: Sequence[tuple[Level, Bools]]) -> Iterator[Floats]:
        """[figure][chain] Cycles of the busiest port of the levels that nothing changes, at least the array's."""
        settled = {level: self._settled(level) for level, _ in levels if self._last_stage(level) < self._outermost}
        for case in self._cases(list(settled)) if settled else ():
            cycles = self._array_cycles(case)
            for level, counts in settled.items():
                ports = self._sides.port_cycles(level, OPERANDS, {}, case)[0, 0]
                cycles = np.maximum(cycles, np.where(counts, ports, 0.0))
            yield cycles

    def _array_cycles(self, case: BufferCase) -> Floats:
        """[chain] Cycles of the array itself over all steps."""
        cycles: Floats = self._entries.each(case.repeats.steps) * self._pass_cycles
        return cycles

    def _cases(self, levels: Sequence[Level]) -> list[BufferCase]:
        """A residency of each kind that differs in what these levels do."""

        def kind(case: BufferCase) -> bytes:
            ports = [case.vector.ports[level.name] for level in levels]
            moved = [each for port in ports for each in (port.reads, port.writes)]
            return b"".join(np.asarray(each).tobytes() for each in (case.repeats.steps, *moved))

        return list({kind(case): case for case in self._residencies}.values())


def front(kind: Indices, values: Floats) -> Indices:
    """The rows that no other one of their kind is at most equal to in every figure; of equal rows the first.

    >>> front(np.array([0, 0, 0, 1]), np.array([[1.0, 2, 3, 9], [5.0, 5, 4, 9]])).tolist()
    [0, 2, 3]
    """
    left: Indices = np.lexsort((*values[::-1], kind))  # so that none lies behind a later one
    rows = values[:, left]
    kept = np.diff(kind[left], prepend=-1) != 0
    # Most are no better than their neighbour, which is found at once.
    kept[1:] |= (rows[:, 1:] < rows[:, :-1]).any(axis=0)
    left, rows, found = left[kept], rows[:, kept], [left[:0]]
    while len(left):
        begins = np.flatnonzero(np.diff(kind[left], prepend=-1))
        if len(left) > _BLOCK * len(begins):
            ends = pairwise([*begins.tolist(), len(left)])
            found += [left[begin:end][_front_of_one(rows[:, begin:end])] for begin, end in ends]
            break
        found.append(left[begins])
        against = np.repeat(begins, np.diff(begins, append=len(left)))
        kept = reduce(or_, (each[against] > each for each in rows))
        left, rows = left[kept], rows[:, kept]
    return np.sort(np.concatenate(found))


def _front_of_one(rows: Floats) -> Indices:
    """The same of rows of one kind, [figure, row], none of which lies behind a later one: many at once."""
    left, found = np.arange(rows.shape[1]), []
    while len(left):
        some, left = left[:_BLOCK], left[_BLOCK:]
        best = some[~np.triu(_behind(rows[:, some], rows[:, some]), 1).any(axis=0)]
        found.append(best)
        left = left[~_behind(rows[:, best], rows[:, left]).any(axis=0)]
    return np.concatenate(found)


def _behind(some: Floats, others: Floats) -> Bools:
    """[one, other] Where one of some rows is at most equal to another one in every figure, [figure, row]."""
    found: Bools = reduce(and_, (own[:, None] <= each for own, each in zip(some, others, strict=True)))
    return found
