"""The exact counts of the mappings that a search chose, from the arrays that it was searched in."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.counts import Figures, LevelCounts, OperandCounts, level_figures, operand_figures
from mensa_sim.cost.counts.crossing import Visits, boundaries
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.rows import OperandArrays, cube
from mensa_sim.workload.dims import OPERANDS, Operand

_EXACT = 2**53
"""Whole numbers below it are exact in the arrays' floating point (IEEE 754, binary64)."""


class Winner(NamedTuple):
    """A candidate: its order within tiles, its row, its entry, and which operands hold more than a tile."""

    inner: int
    row: int
    entry: int
    holds: tuple[bool, ...]


def count_winners(
    arrays: Mapping[Operand, OperandArrays], inside: Mapping[Operand, Indices], winners: Sequence[Winner]
) -> list[dict[Operand, OperandCounts] | None]:
    """The counts of each; none of one whose numbers are too large to be exact here."""
    inner, rows, entries = (np.array([winner[axis] for winner in winners]) for axis in range(3))
    found: dict[Operand, list[OperandCounts | None]] = {}
    for place, operand in enumerate(OPERANDS):
        holds = np.array([winner.holds[place] for winner in winners])
        found[operand] = _Picked(arrays[operand], inner, inside[operand][rows], entries, holds).counts()
    counted: list[dict[Operand, OperandCounts] | None] = []
    for index in range(len(winners)):
        own = {operand: counts for operand in OPERANDS if (counts := found[operand][index]) is not None}
        counted.append(own if len(own) == len(OPERANDS) else None)
    return counted


class _Picked:
    """One operand under some candidates: all arrays are [candidate]."""

    def __init__(
        self,
        arrays: OperandArrays,
        inner: Indices,
        inside: Indices,
        entries: Indices,
        holds: "np.typing.NDArray[np.bool_]",
    ) -> None:
        self._arrays, self._inner, self._inside, self._entries = arrays, inner, inside, entries
        self._holds = holds

    def _pick(self, values: Any) -> Floats:
        """Each candidate's own of an array [inner, inside, entry], whose axes may have length 1."""
        found = cube(values)
        places = zip((self._inner, self._inside, self._entries), found.shape, strict=True)
        picked: Floats = found[tuple(np.minimum(place, size - 1) for place, size in places)]
        return picked

    def _visits(self, visits: Visits[Floats]) -> Visits[Floats]:
        times, inside, outside, first = map(self._pick, (visits.times, visits.inside, visits.outside, visits.first))
        return Visits(times=times, inside=inside, outside=outside, first=first)

    def counts(self) -> list[OperandCounts | None]:
        """The counts of each candidate; none where they may not be exact."""
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
        columns = [operand_figures(way, bounds, end)]
        for index in range(len(stops)):
            held = arrays.held(index)
            inside = np.where(self._holds, self._inside, 0) if held.ndim > 1 else 0
            fullest = np.atleast_2d(held)[inside, entries]
            columns.append(level_figures(way, index, bounds[index], bounds[index + 1], fullest))
        exact = reduce(np.logical_and, [value < _EXACT for figures in columns for value in figures.values()])
        exact = np.broadcast_to(exact, entries.shape)
        tasks, rows = arrays.grid.task_of_entry[entries].tolist(), zip(*map(self._one_by_one, columns), strict=True)
        found: list[OperandCounts | None] = []
        for task, sure, (figures, *each) in zip(tasks, exact.tolist(), rows, strict=True):
            pairs = zip(stops, each, strict=True)
            counts = tuple(LevelCounts(stop=stop.stops[task], **level) for stop, level in pairs)
            own = OperandCounts(levels=counts, wired_to_memory=way.wired_to_memory, **figures)
            found.append(own if sure else None)
        return found

    def _one_by_one(self, figures: Figures) -> Iterator[dict[str, Any]]:
        """Figures of all candidates as plain numbers of each."""
        columns = []
        for values in figures.values():
            plain = np.broadcast_to(np.minimum(values, _EXACT), self._entries.shape)
            columns.append(plain.astype(bool if np.asarray(values).dtype == bool else np.int64).tolist())
        return (dict(zip(figures, row, strict=True)) for row in zip(*columns, strict=True))

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
