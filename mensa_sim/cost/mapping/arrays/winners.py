"""The exact counts of the mappings that a search chose, from the arrays that it was searched in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats, Ints, changed, picked
from mensa_sim.cost.counts.counts import LevelCounts, OperandCounts, level_figures, operand_figures
from mensa_sim.cost.counts.crossing import Visits, boundaries
from mensa_sim.cost.counts.nest import NestCounts, wait_cycles
from mensa_sim.cost.counts.tally import least_common
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.candidates import Candidates
from mensa_sim.cost.mapping.arrays.grid import Grid
from mensa_sim.cost.mapping.arrays.rows import OperandArrays, cube
from mensa_sim.cost.mapping.arrays.sides import Order
from mensa_sim.cost.mapping.candidates import GroupOrder, build
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.vector import spread_of
from mensa_sim.hardware.array.levels import Level
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import OPERANDS, Operand

_EXACT = 2**53
"""Whole numbers below it are exact in the arrays' floating point (IEEE 754, binary64)."""
_LARGEST = 2**58
"""Sums of a dozen numbers below it fit 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Winners:
    """Some candidates: [winner]."""

    inner: Indices
    """The order within tiles."""
    row: Indices
    entry: Indices
    holds: Mapping[Operand, Bools]
    """Whether an operand holds more than a tile."""


def winners_at(places: Sequence[Indices], holds: Mapping[Operand, Bools]) -> Winners:
    """The candidates at some places of arrays [inner, row, entry], in which `holds` is told."""
    inner, row, entry = places

    def at(values: Bools) -> Bools:
        """[winner] Those of an array that may be the same in all rows or entries."""
        own = (np.minimum(place, size - 1) for place, size in zip(places, values.shape, strict=True))
        found: Bools = values[tuple(own)]
        return found

    return Winners(inner=inner, row=row, entry=entry, holds={operand: at(holds[operand]) for operand in OPERANDS})


def mappings_of(grid: Grid, inner: Sequence[GroupOrder], outer: Sequence[Order], winners: Winners) -> list[NestMapping]:
    """The mappings that some candidates are."""
    each = zip(
        grid.task_of_entry[winners.entry].tolist(),
        grid.tiles_of(winners.entry),
        grid.orders_of(winners.entry),
        winners.inner.tolist(),
        winners.row.tolist(),
        zip(*(winners.holds[operand].tolist() for operand in OPERANDS), strict=True),
        strict=True,
    )
    found = []
    for number, tiles, orders, within, row, holds in each:
        task, own = grid.tasks[number], dict(zip(OPERANDS, holds, strict=True))
        found.append(build(task.unrolling, task.ways, tiles, (*orders, inner[within]), outer[row].groups, own))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Site:
    """A level on an operand's way under the unrolling of each winner's nest: [winner]."""

    level: Level
    spread: int | Ints
    copied: int | Ints


class Counted:
    """The counts of some winners: [winner]."""

    def __init__(self, space: Candidates, winners: Winners) -> None:
        self._space, grid = space, space.grid
        self.task: Indices = grid.task_of_entry[winners.entry]
        """[winner]"""
        operands = {
            operand: _Picked(space.arrays[operand], space.inside[operand][winners.row], winners, operand).counts(
                self.task
            )
            for operand in OPERANDS
        }
        array, dataflow = picked(space.array, winners.entry), grid.tasks[0].target.accelerator.dataflow
        fills = operands[dataflow.stationary].swaps if dataflow.pipeline_cycles_per == "pass" else array.tiles
        waits = sum(wait_cycles(count) for count in operands.values())
        macs = np.array([float(task.nest.macs) for task in grid.tasks])[self.task]
        counts = NestCounts(
            macs=macs,
            array_cycles=array.pass_cycles + array.fill_cycles * fills + waits,
            tiles=array.tiles,
            operands=operands,
            hop_bits=(macs - operands["output"].accumulations) * space.arrays["output"].way.partial_bits,
        )
        self._peak: Floats = np.zeros(len(self.task))
        """The largest number of each."""
        self.nest = changed(counts, self._whole, ("stop",))
        self.times = self._times().tolist()
        """[winner] How often all may happen before a sum is too large to be exact; 0 where one is at the first time."""

    def _whole(self, values: Any) -> npt.NDArray[Any]:
        """Figures of all winners as whole numbers, or truth values."""
        own: npt.NDArray[Any] = values if values.shape == self.task.shape else np.broadcast_to(values, self.task.shape)
        if own.dtype == np.bool_:
            return own
        self._peak = np.maximum(self._peak, own)
        found: Ints = np.minimum(own, _EXACT).astype(np.int64)
        return found

    def _times(self) -> Floats:
        accelerator = self._space.grid.tasks[0].target.accelerator
        most = np.ones(len(self.task))
        for level in accelerator.levels:
            if level.ported:
                passing = [
                    each for count in self.nest.operands.values() for each in count.levels if each.level == level
                ]
                units = least_common([spread_of(level, accelerator), *(each.instances for each in passing)])
                most = np.maximum(most, float(level.access_bits) * units)
        times: Floats = np.where(self._peak < _EXACT, _LARGEST // (self._peak * most + 1), 0)
        return times

    def one(self, winner: int) -> NestCounts:
        """Those of one winner, in plain numbers."""
        ways = self._space.grid.tasks[self.task[winner]].ways
        counts = changed(self.nest, lambda values: values[winner].item())
        operands = {}
        for operand, count in counts.operands.items():
            pairs = zip(count.levels, ways[operand].stops, strict=True)
            operands[operand] = replace(count, levels=tuple(replace(level, stop=stop) for level, stop in pairs))
        return replace(counts, operands=operands)


def _of(values: Any, task: Indices) -> Any:
    """Those of some nests, or the one number that all have."""
    return values[task] if isinstance(values, np.ndarray) else values


class _Picked:
    """One operand under some candidates: all arrays are [winner]."""

    def __init__(self, arrays: OperandArrays, inside: Indices, winners: Winners, operand: Operand) -> None:
        self._arrays, self._inner, self._inside, self._entries = arrays, winners.inner, inside, winners.entry
        self._holds = winners.holds[operand]

    def _pick(self, values: Any) -> Floats:
        """Each candidate's own of an array [inner, inside, entry], whose axes may have length 1."""
        found = cube(values)
        places = zip((self._inner, self._inside, self._entries), found.shape, strict=True)
        picked: Floats = found[tuple(np.minimum(place, size - 1) for place, size in places)]
        return picked

    def _visits(self, visits: Visits[Floats]) -> Visits[Floats]:
        times, inside, outside, first = map(self._pick, (visits.times, visits.inside, visits.outside, visits.first))
        return Visits(times=times, inside=inside, outside=outside, first=first)

    def counts(self, task: Indices) -> OperandCounts:
        """The counts of each candidate, in floating point."""
        arrays, entries = self._arrays, self._entries
        way, stops = arrays.way, arrays.stops
        tiles = [each.at(each.columns[entries]) for each in arrays.tiles]
        visits = [self._visits(bound.visits) for bound in arrays.bounds]
        end = tiles[-1].end
        if way.ported:
            whole = np.where(self._holds, arrays.every.columns[self._inside, entries], arrays.alone.columns[0, entries])
            tiles.append(arrays.every.at(whole))
            visits.append(self._at_memory())
            end = self._pick(arrays.alone.end)
        bounds = boundaries(way, stops, tiles, visits)
        levels = []
        for index, stop in enumerate(stops):
            held = arrays.held(index)
            inside = np.where(self._holds, self._inside, 0) if held.ndim > 1 else 0
            figures = level_figures(way, index, bounds[index], bounds[index + 1], np.atleast_2d(held)[inside, entries])
            site = _Site(
                level=stop.level, spread=_of(stop.spread, task), copied=_of(stop.instances // stop.spread, task)
            )
            levels.append(LevelCounts(stop=site, **figures))
        figures = operand_figures(way, bounds, end)
        return OperandCounts(levels=tuple(levels), wired_to_memory=way.wired_to_memory, **figures)

    def _at_memory(self) -> Visits[Floats]:
        """The visits of the outermost SRAM's tiles, which come once where it holds all that matters."""
        arrays, stop = self._arrays, self._arrays.stops[-1]
        tile = self._visits(arrays.visits.visits(arrays.grid.stages - 1, stop, None))
        whole = self._visits(arrays.visits.held(stop, None))
        return Visits(
            times=np.where(self._holds, whole.times, tile.times),
            inside=np.where(self._holds, whole.inside, tile.inside),
            outside=np.where(self._holds, whole.outside, tile.outside),
            first=whole.first,
        )
