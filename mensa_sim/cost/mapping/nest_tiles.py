"""Tiles of nests that stand in no pool, given by their extents: what they hold."""

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce
from operator import and_, mul
from typing import TYPE_CHECKING

import numpy as np

from mensa_sim.arrays import Bools, Floats, distinct
from mensa_sim.cost.counts.room import WindowSteps, lanes_of, own_elements
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.counts.window import window_histogram
from mensa_sim.hardware.array.levels import Level
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand, in_window, relevant

if TYPE_CHECKING:
    from mensa_sim.cost.mapping.task import NestTask


class NestTiles:
    """Tiles of some nests, given by the extents along each dim: [tile]."""

    def __init__(
        self, tasks: Sequence["NestTask"], task: Indices, extents: Mapping[str, Floats], *, seen: bool = True
    ) -> None:
        """Unless all of a window is `seen`, it counts as one position."""
        self._tasks, self._task, self._extents, self._seen = tasks, task, extents, seen
        self._sizes = {dim: np.array([own.unrolling.sizes[dim] for own in tasks], np.float64) for dim in extents}
        self._known: dict[Hashable, Floats] = {}

    def held(self, operand: Operand, index: int) -> Floats:
        """Elements in the fullest instance of a level on an operand's way: those of levels that share alike are one."""
        stops = self._stops(operand, index)
        key = operand, *(tuple(stop.own.values()) for stop in stops)
        if key not in self._known:
            self._known[key] = self._elements(operand, stops, self._task, self._extents)
        return self._known[key]

    def most(self, operand: Operand, index: int) -> Floats:
        """Those of the whole nest."""
        every = np.arange(len(self._tasks))
        return self._elements(operand, self._stops(operand, index), every, self._sizes)[self._task]

    def whole(self, operand: Operand) -> Bools:
        """Whether an operand's tile is all of it."""
        own = [dim for dim in self._extents if relevant(operand, dim)]
        return reduce(and_, [self._extents[dim] == self._sizes[dim][self._task] for dim in own])

    def kept_bits(self, operand: Operand) -> Floats:
        """Bits of an instance of the outermost SRAM that an operand takes which stays there."""
        found: Floats = np.array([task.kept_bits(operand) for task in self._tasks], np.float64)[self._task]
        return found

    def capacity_bits(self, level: Level) -> Floats:
        """Of a level: all accumulators that no file lists are alike."""
        levels = [{each.name: each for each in task.target.accelerator.levels} for task in self._tasks]
        each = [own.get(level.name, level).capacity_bytes for own in levels]
        found: Floats = np.array(each, np.float64)[self._task] * BITS_PER_BYTE
        return found

    def _stops(self, operand: Operand, index: int) -> list[Stop]:
        return [task.ways[operand].stops[index] for task in self._tasks]

    def _elements(
        self, operand: Operand, stops: Sequence[Stop], task: Indices, extents: Mapping[str, Floats]
    ) -> Floats:
        """Elements of tiles in the fullest instance."""
        own = stops[0].own
        inside = [dim for dim in own if operand == "input" and in_window(dim)]
        largest = reduce(mul, [extents[dim] for dim in own if dim not in inside], np.ones(len(task)))
        if inside and self._seen:
            largest = largest * self._shown(inside, task, extents)
        steps = WindowSteps.of([each.nest for each in self._tasks], task)
        return own_elements(steps, operand, lanes_of(stops, task), extents, largest)

    def _shown(self, dims: Sequence[str], task: Indices, extents: Mapping[str, Floats]) -> Floats:
        """Positions of the input that the largest of the tiles with such extents reads."""
        windows = [each.window for each in self._tasks]
        found: Floats = reduce(mul, [extents[dim] for dim in dims])
        several = np.flatnonzero(~np.array([window.one_to_one for window in windows])[task])
        if len(several):
            columns = [task[several], *(extents[dim][several].astype(np.int64) for dim in dims)]
            first, which = distinct(columns)
            few = [
                window_histogram(windows[own], tuple(zip(dims, tile, strict=True))).values[-1]
                for own, *tile in zip(*(column[first].tolist() for column in columns), strict=True)
            ]
            found = found.copy()
            found[several] = np.array(few, np.float64)[which]
        return found
