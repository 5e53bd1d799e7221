"""How often the tiles of one operand cross each boundary, for every entry of a grid and every order of loops.

An operand has one free group of loops that does not index it. Which groups stand inside its free group decides what
is fetched again. Its two other groups are A and B: axis `inside` of the arrays is 0 for none of them inside the free
group of the outermost block, 1 for A, 2 for B, 3 for both. Axis `inner` counts the orders of the block below the
outermost one. An axis along which nothing changes may have length 1.
"""

from collections.abc import Sequence
from functools import cache, reduce
from math import prod

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.counts import visited
from mensa_sim.cost.counts.crossing import Visits
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.mapping.candidates import FREE_GROUP, GROUPS, GroupOrder, group
from mensa_sim.cost.mapping.grid import Grid, per_entry
from mensa_sim.cost.mapping.unrolling import Unrolling
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
    return reduce(np.logical_and, conditions, np.ones_like(shape, dtype=bool))


class VisitArrays:
    """The visits of one operand's tiles."""

    def __init__(self, grid: Grid, unrolling: Unrolling, operand: Operand, inner: Sequence[GroupOrder]) -> None:
        self._grid, self._unrolling, self._operand, self._inner = grid, unrolling, operand, inner
        self._free, own = FREE_GROUP[operand], own_groups(operand)
        over = grid.still[-1]
        self.outer_run = np.stack([all_of(over["G"], [over[n] for n in groups_inside(operand, i)]) for i in INSIDE])
        """[inside, entry] Whether the outer block reaches the free group before any loop of the operand's own."""
        blocks = range(1, grid.stages)
        self._passes = [all_of(over["G"], [grid.still[b - 1][name] for name in (*own, "G")]) for b in blocks]
        """[block][entry] Whether a block has no loop of the operand's own."""
        self._reaches = [self._reach(block) for block in blocks]
        """[block][inner, 1, entry] Whether a block reaches the free group before any loop of the operand's own."""

    def _reach(self, block: int) -> Bools:
        still = self._grid.still[block - 1]

        def reach(order: GroupOrder) -> Bools:
            return all_of(still["G"], [still[name] for name in order[: order.index(self._free)]])

        if block == self._grid.stages - 1:
            return np.stack([reach(order)[None] for order in self._inner])
        parts = self._grid.parts
        orders = dict.fromkeys(p.chain.orders[block - 1] for p in parts)
        if len(orders) == 1:
            return reach(next(iter(orders)))[None, None]
        number = {order: index for index, order in enumerate(orders)}
        which = self._grid.per_part([number[p.chain.orders[block - 1]] for p in parts])
        found: Bools = np.select([which == index for index in number.values()], [reach(order) for order in orders])
        return found[None, None]

    def _trips(self, stage: int, stop: Stop | None) -> Floats:
        """[entry] Trips over the free group in tiles of a stage, each copy of a level apart."""
        trips = self._grid.trips[stage][self._free]
        if stop is None or not stop.copies:
            return trips
        for dim in stop.copies:
            plain, apart = self._along(stage, dim, None), self._along(stage, dim, stop)
            trips = trips / plain * apart
        return trips

    def _along(self, stage: int, dim: str, stop: Stop | None) -> Floats:
        parts, unrolling = self._grid.parts, self._unrolling
        if stage == self._grid.stages - 1:
            return per_entry(parts, dim, lambda extent: visited(unrolling, dim, extent, stop))
        return self._grid.per_part([visited(unrolling, dim, p.chain.tiles[stage][dim], stop) for p in parts])

    def _repeats(self, stage: int, stop: Stop | None) -> Floats:
        """[inner, inside, entry] Visits of tiles of a stage, each copy of a level apart."""
        kept = float(stop.copied) if stop is not None else 1.0
        last = self._grid.stages - 1
        trips = self._trips(last, stop)
        found: Floats = np.where(self.outer_run, kept, trips)
        for inner in range(last - 1, stage - 1, -1):
            below = self._trips(inner, stop)
            found = np.where(self._passes[inner], found, np.where(self._reaches[inner], trips, below))
            trips = below
        return found if found.ndim == 3 else found[None]

    def visits(self, stage: int, inside: Stop | None, outside: Stop | None) -> Visits[Floats]:
        """[inner, inside, entry] Visits of the tiles that a level of a stage holds."""
        times = self._repeats(stage, None)

        def apart(stop: Stop | None) -> Floats:
            return self._repeats(stage, stop) if stop is not None and stop.copies else times

        return Visits(
            times=times,
            inside=apart(inside),
            outside=apart(outside),
            first=outside.copied if outside is not None else 1,
        )

    def held(self, inside: Stop, outside: Stop | None) -> Visits[Floats]:
        """Visits of tiles that hold all loops up to the free group: one, in each copy."""
        one = np.ones((1, 1, 1))
        copied = outside.copied if outside is not None else 1
        return Visits(times=one, inside=one * inside.copied, outside=one * copied, first=copied)

    def passing(self, outside: Stop | None) -> Visits[int]:
        """Visits of what a pass of the array takes: the same under any mapping."""
        unrolling, free = self._unrolling, self._free
        dims = [dim for dim in unrolling.dims if group(dim) == free]

        def times(stop: Stop | None) -> int:
            return prod(visited(unrolling, dim, unrolling.lanes[dim], stop) for dim in dims)

        return Visits(
            times=times(None), inside=times(None), outside=times(outside), first=outside.copied if outside else 1
        )
