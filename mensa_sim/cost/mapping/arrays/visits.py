"""How often the tiles of one operand cross each boundary, for every entry of a grid and every order of loops.

An operand has one free group of loops that does not index it. Which groups stand inside its free group decides what
is fetched again. Its two other groups are A and B: axis `inside` of the arrays is 0 for none of them inside the free
group of the outermost block, 1 for A, 2 for B, 3 for both. Axis `inner` counts the orders of the block below the
outermost one. An axis along which nothing changes may have length 1.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, reduce
from math import prod

import numpy as np

from mensa_sim.arrays import Bools, Floats, Ints
from mensa_sim.cost.counts.counts import visited
from mensa_sim.cost.counts.crossing import Visits
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.mapping.arrays.grid import Grid, one_or_array
from mensa_sim.cost.mapping.candidates import FREE_GROUP, GROUPS, ROTATIONS, GroupOrder, group
from mensa_sim.hardware.array.levels import Level
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand

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


def all_of(shape: Bools, conditions: Sequence[Bools]) -> Bools:
    """Where all conditions hold; everywhere if there is none."""
    return reduce(np.logical_and, conditions) if conditions else np.ones_like(shape, dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StopArrays:
    """One level on the way of an operand, under the unrolling of each nest."""

    stops: Sequence[Stop]
    """[task]"""
    spread: int | Ints
    """Instances that hold different elements: one number where it is that of all nests, else [task]."""
    instances: int | Ints
    """All instances at work, likewise."""
    copied: int | Floats
    """Instances that hold the same: one number where it is that of all nests, else [entry]."""
    copies: Sequence[str]
    """Dims that do not index the operand and have several instances, for some nest."""

    @property
    def level(self) -> Level:
        """The level itself."""
        return self.stops[0].level


def stop_arrays(grid: Grid, operand: Operand) -> list[StopArrays]:
    """The levels on an operand's way over the nests of a grid."""

    def made() -> list[StopArrays]:
        found = []
        for stops in zip(*(task.ways[operand].stops for task in grid.tasks), strict=True):
            spread, copied = (one_or_array([getattr(stop, name) for stop in stops]) for name in ("spread", "copied"))
            copies = tuple(dict.fromkeys(dim for stop in stops for dim in stop.copies))
            each = StopArrays(stops=stops, spread=spread, instances=spread * copied, copied=copied, copies=copies)
            found.append(each)
        return found

    return [replace(each, copied=grid.each(each.copied)) for each in grid.pool.noted(("stops", operand), made)]


class VisitArrays:
    """The visits of one operand's tiles."""

    def __init__(self, grid: Grid, operand: Operand, inner: Sequence[GroupOrder], insides: Sequence[int]) -> None:
        self._grid, self._operand, self._inner = grid, operand, inner
        self._free, own = FREE_GROUP[operand], own_groups(operand)
        over = grid.still[-1]
        runs = [all_of(over["G"], [over[name] for name in groups_inside(operand, inside)]) for inside in insides]
        self.outer_run = np.stack(runs)
        """[inside, entry] Whether the outer block reaches the free group before any loop of the operand's own."""
        blocks = range(1, grid.stages)
        self._passes = [all_of(over["G"], [grid.still[b - 1][name] for name in (*own, "G")]) for b in blocks]
        """[block][entry] Whether a block has no loop of the operand's own."""
        self._reaches = [self._reach(block) for block in blocks]
        """[block][inner, 1, entry] Whether a block reaches the free group before any loop of the operand's own."""
        self._known: dict[tuple[int, str], Floats] = {}
        self._apart: dict[tuple[int, str], Floats] = {}

    def _reach(self, block: int) -> Bools:
        still = self._grid.still[block - 1]

        def reach(order: GroupOrder) -> Bools:
            return all_of(still["G"], [still[name] for name in order[: order.index(self._free)]])

        if block > self._grid.known:
            return np.ones((1, 1, 1), dtype=bool)
        if block == self._grid.known:
            return np.stack([reach(order)[None] for order in self._inner])
        each = self._grid.chains.orders[block - 1]
        present = np.flatnonzero(np.bincount(each)).tolist()
        if len(present) == 1:
            return reach(ROTATIONS[present[0]])[None, None]
        which = self._grid.per_part_index(each)
        found = reach(ROTATIONS[present[0]])
        for index in present[1:]:
            found = np.where(which == index, reach(ROTATIONS[index]), found)
        return found[None, None]

    def _trips(self, stage: int, stop: StopArrays | None) -> Floats:
        """[entry] Trips over the free group in tiles of a stage, each copy of a level apart."""
        trips = self._grid.trips[stage][self._free]
        if stop is None or not stop.copies:
            return trips
        key = stage, stop.level.name
        if key not in self._apart:
            for dim in stop.copies:
                trips = trips / self._along(stage, dim, None) * self._along(stage, dim, stop)
            self._apart[key] = trips
        return self._apart[key]

    def _along(self, stage: int, dim: str, stop: StopArrays | None) -> Floats:
        """[entry] Trips over one dim."""
        grid, row = self._grid, self._grid.dims.index(dim)
        if grid.bare or stage < grid.stages - 1:
            pool = grid.pool
            known = pool.trips((dim,)) if stop is None else pool.apart(dim, self._operand, stop.stops)
            return grid.per_part(known[grid.numbers(stage)])
        tried = grid.tried

        def made() -> Floats:
            options = tried.options
            each = options.task[row].tolist(), options.extents[row].astype(np.int64).tolist()
            trips = [
                visited(grid.tasks[task].unrolling, dim, extent, None if stop is None else stop.stops[task])
                for task, extent in zip(*each, strict=True)
            ]
            return np.array(trips, dtype=np.float64)

        key = "apart", dim, self._operand, None if stop is None else stop.level.name
        return grid.of_option(row, tried.noted(key, made))

    def _repeats(self, stage: int, stop: StopArrays | None) -> Floats:
        """[inner, inside, entry] Visits of tiles of a stage, each copy of a level apart."""
        key = stage, "" if stop is None else stop.level.name
        if key not in self._known:
            trips = self._trips(stage, stop)
            if stage == self._grid.stages - 1:
                found = np.where(self.outer_run, 1 if stop is None else stop.copied, trips)[None]
            else:
                around = np.where(self._reaches[stage], self._trips(stage + 1, stop), trips)
                found = np.where(self._passes[stage], self._repeats(stage + 1, stop), around)
            self._known[key] = found
        return self._known[key]

    def visits(self, stage: int, inside: StopArrays | None, outside: StopArrays | None) -> Visits[Floats]:
        """[inner, inside, entry] Visits of the tiles that a level of a stage holds."""
        times = self._repeats(stage, None)

        def apart(stop: StopArrays | None) -> Floats:
            return self._repeats(stage, stop) if stop is not None and stop.copies else times

        first = 1 if outside is None else outside.copied
        return Visits(times=times, inside=apart(inside), outside=apart(outside), first=first)

    def held(self, inside: StopArrays, outside: StopArrays | None) -> Visits[Floats]:
        """Visits of tiles that hold all loops up to the free group: one, in each copy."""
        one = np.ones((1, 1, 1))
        copied = 1 if outside is None else outside.copied
        return Visits(times=one, inside=one * inside.copied, outside=one * copied, first=copied)

    def passing(self, outside: StopArrays | None) -> Visits[Floats]:
        """[entry] Visits of what a pass of the array takes: the same under any mapping."""
        grid = self._grid
        dims = [dim for dim in grid.dims if group(dim) == self._free]

        def times(stops: Sequence[Stop | None]) -> list[int]:
            found = []
            for task, stop in zip(grid.tasks, stops, strict=True):
                unrolling = task.unrolling
                found.append(prod(visited(unrolling, dim, unrolling.lanes[dim], stop) for dim in dims))
            return found

        def both() -> tuple[list[int], list[int]]:
            plain = times([None] * len(grid.tasks))
            return plain, plain if outside is None else times(outside.stops)

        plain, apart = map(grid.per_task, grid.pool.noted(("passing", self._operand), both))
        first = 1 if outside is None else outside.copied
        return Visits(times=plain, inside=plain, outside=apart, first=first)
