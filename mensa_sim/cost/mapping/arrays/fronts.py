"""Which chains of inner tiles may hold a winner, told before any last tile is put around them.

A chain in which every stage that it leaves open holds the whole nest is a floor under all that can be made of it: the
loops above its outermost tile spare at most one operand from coming again, and what lies beyond is compulsory.
"""

from collections.abc import Iterator, Sequence
from math import lcm

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.candidates import TIES, Residencies, array_work
from mensa_sim.cost.mapping.arrays.figures import Figures
from mensa_sim.cost.mapping.arrays.grid import Grid, distinct
from mensa_sim.cost.mapping.arrays.rows import BODY_BITS, CROSSING_PJ, END_BITS, OperandArrays
from mensa_sim.cost.mapping.arrays.sides import Order, total
from mensa_sim.cost.mapping.candidates import ROTATIONS, group, stage_of
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.hardware.array.levels import Level
from mensa_sim.workload.dims import OPERANDS, Operand, relevant


class Fronts:
    """Some chains of inner tiles: what none of their candidates is below, and which of them others leave behind."""

    def __init__(
        self,
        tasks: Sequence[NestTask],
        chains: Chains,
        groups: Sequence[Sequence[Operand]],
        outer: Sequence[Order],
        residencies: Residencies,
    ) -> None:
        target, self.chains = tasks[0].target, chains
        self._grid = grid = Grid(tasks, chains, bare=True)
        self._rows = {operand: OperandArrays(target, grid, operand, ROTATIONS).accesses() for operand in OPERANDS}
        self._array = array_work(grid)
        self._residencies = residencies
        self._figures = figures = Figures(target, grid, groups, self._rows, outer[:1], self._array)
        self.floors: Floats = np.stack([figures.priced(cases).objective.min(axis=(0, 1)) for cases in residencies])
        """[residency, chain] Infinite where no candidate fits."""

    def unbeaten(self, some: Indices) -> Indices:
        """Of some chains those than which no other one of the same outermost tile is better, whatever lies above.

        Operands whose loops have not begun when the outermost tile ends still wait for how often they will come; chains
        are only held against each other where the same ones do.
        """
        figures = (np.broadcast_to(each, len(self.chains.task))[some] for each in self._compared())
        values = np.stack([each for each in figures if len(each) and each.max() > each.min()] or [np.zeros(len(some))])
        waiting = [same[some] for operand in OPERANDS for same in self._waiting(operand)]
        _, kind = distinct([self.chains.task[some], *self.chains.tiles[-1][some].T, *waiting])
        found: Indices = some[front(kind, values)]
        return found

    def _compared(self) -> Iterator[Floats]:
        """[figure][chain] All that a price depends on and that differs between chains of one outermost tile.

        A level whose accesses no further tile changes has had room; its ports matter if they hold the array up.
        """
        grid, rows = self._grid, self._rows
        accelerator = grid.tasks[0].target.accelerator
        yield total([each.chip_pj[:1] for each in rows.values()])[0, 0]
        yield self._array.pass_cycles
        yield total([each.wait_cycles[:1] for each in rows.values()])[0, 0]
        yield rows[accelerator.dataflow.stationary].swaps[0, 0]
        yield rows["output"].partial[0, 0].astype(np.float64)
        for each in rows.values():
            if not each.ports:
                yield from (each.crossings[figure, 0, 0, 0] for figure in (BODY_BITS, CROSSING_PJ, END_BITS))
        settled: list[tuple[Level, Bools]] = []
        for level in accelerator.levels:
            ports = [port for each in rows.values() for port in each.ports if port.stop.level.name == level.name]
            if not ports:
                continue
            inside, changes = self._within(level), self._changes(level)
            if inside:
                settled.append((level, ~changes))
            units = [lcm(*each) for each in zip(*(port.stop.instances for port in ports), strict=True)]
            parts = [grid.each([u // s for u, s in zip(units, port.stop.instances, strict=True)]) for port in ports]
            yield total([port.reads[:1] * part for port, part in zip(ports, parts, strict=True)])[0, 0] * changes
            yield total([port.writes[:1] * part for port, part in zip(ports, parts, strict=True)])[0, 0] * changes
            if not inside:
                yield total([port.room_bits[0, :1] for port in ports])[0, 0]
        yield from self._busiest(settled)

    def _within(self, level: Level) -> bool:
        """Whether all that a level holds lies inside the outermost tile."""
        return all(stage < self._grid.known - 1 for _, stage in self._served(level))

    def _changes(self, level: Level) -> Bools:
        """[chain] Whether further loops change what a level does: it is not within, or an operand waits."""
        found = np.full(len(self.chains.task), not self._within(level))
        for operand, stage in self._served(level) if self._within(level) else ():
            found |= self._waits(operand, stage)
        return found

    def _served(self, level: Level) -> list[tuple[Operand, int]]:
        """The operands that pass a level, and the stage in which it stands on their way."""
        return [
            (operand, stage_of(each.way, index, self._grid.stages))
            for operand, each in self._rows.items()
            for index, stop in enumerate(each.way.stops)
            if stop.level.name == level.name
        ]

    def _busiest(self, levels: Sequence[tuple[Level, Bools]]) -> Iterator[Floats]:
        """[figure][chain] Cycles of the busiest port of these levels where they count, at least the array's."""
        known = set()
        for cases in self._residencies if levels else ():
            own = [
                (case.repeats.steps, *(case.vector.ports[level.name].moved for level, _ in levels)) for case in cases
            ]
            if tuple(own) not in known:
                known.add(tuple(own))
                cycles = self._grid.each([case.repeats.steps for case in cases]) * self._array.pass_cycles
                for level, counts in levels:
                    ports = self._figures.sides.port_cycles(level, OPERANDS, {}, cases)[0, 0]
                    cycles = np.maximum(cycles, np.where(counts, ports, 0.0))
                yield cycles

    def _waiting(self, operand: Operand) -> list[Indices]:
        """[stop][chain] Whether the operand's own tile in a level is still that of the outermost stage."""
        grid, way = self._grid, self._rows[operand].way
        stages = {stage_of(way, index, grid.stages) for index in range(len(way.stops))}
        return [self._waits(operand, stage).astype(np.intp) for stage in sorted(stages) if stage < grid.known - 1]

    def _waits(self, operand: Operand, stage: int) -> Bools:
        """[chain] Whether the operand's own tile of a stage is still that of the outermost one."""
        own = [relevant(operand, dim) or group(dim) == "G" for dim in self._grid.dims]
        found: Bools = (self.chains.tiles[stage][:, own] == self.chains.tiles[-1][:, own]).all(axis=1)
        return found


def near(floors: Floats, task: Indices, reached: Floats) -> Bools:
    """[residency, chain] Whether a chain's floor is not above what its nest reaches: [residency, task]."""
    found: Bools = (floors <= reached[:, task] * TIES) & (floors < np.inf)
    return found


def least(floors: Floats, task: Indices, count: int) -> Bools:
    """[residency, chain] Those of least floor of each nest."""
    begin = np.searchsorted(task, task)
    found = np.empty(floors.shape, dtype=bool)
    for row, each in enumerate(floors):
        order = np.lexsort((each, task))
        found[row, order] = np.arange(len(task)) - begin < count
    return found


def front(kind: Indices, values: Floats) -> Indices:
    """The rows that no other one of their kind is at most equal to in every figure; of equal rows the first.

    >>> front(np.array([0, 0, 0, 1]), np.array([[1.0, 2, 3, 9], [5.0, 5, 4, 9]])).tolist()
    [0, 2, 3]
    """
    left: Indices = np.lexsort((*values[::-1], kind))
    rows = values.T[left]  # [place, figure]
    found = []
    while len(left):
        begins = np.flatnonzero(np.diff(kind[left], prepend=-1))
        found.append(left[begins])
        against = np.repeat(begins, np.diff(begins, append=len(left)))
        kept = (rows[against] > rows).any(axis=1)
        left, rows = left[kept], rows[kept]
    return np.sort(np.concatenate(found)) if found else left
