"""The last tiles that the chains of a nest lead to, and the time that no candidate around one of them is below.

How many there are, and what of the first and the last one nothing runs beside, is the same whatever lies inside them.
Where that decides, few last tiles are near the best, and most chains lead to none of these.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.crossing import whole_words
from mensa_sim.cost.counts.nest import pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.tiles import Indices, tilings
from mensa_sim.cost.mapping.arrays.figures import Demand
from mensa_sim.cost.mapping.arrays.ranks import near
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.arrays.tilings import own_dims, window_of_tiles
from mensa_sim.cost.mapping.candidates import positions
from mensa_sim.cost.mapping.least import LeastDemand
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.workload.dims import OPERANDS, Operand


class LastTiles:
    """Those of one nest that may hold a winner."""

    def __init__(
        self, pool: TilePool, number: int, residencies: Sequence[BufferCase], lowest: Sequence[LeastDemand]
    ) -> None:
        """`lowest` is what no mapping takes less than in each residency."""
        self._pool, self._number, self._task = pool, number, pool.tasks[number]
        self._options = self._task.every_last_extent
        self._around_known: dict[tuple[str, int, int], list[bool]] = {}
        self._chosen: Indices = positions(tuple(map(len, self._options.values())))
        """[dim, last tile] Which of the extents."""
        self._left: Bools = np.ones(self._chosen.shape[1], dtype=bool)
        """[tile] Of all at first, which are still among them."""
        reached = [each.reached(self._task.target) for each in self._demands(residencies, lowest)]
        self._latency_s, self._value = (np.stack([each[figure] for each in reached]) for figure in (0, 2))
        """[residency, last tile]"""

    def _demands(self, residencies: Sequence[BufferCase], lowest: Sequence[LeastDemand]) -> list[Demand]:
        """What no candidate takes less than in each last tile."""
        task, pool = self._task, self._pool
        extents = {
            dim: np.array(options, dtype=np.float64)[chosen]
            for (dim, options), chosen in zip(self._options.items(), self._chosen, strict=True)
        }
        sizes = {dim: np.full(len(each), task.unrolling.sizes[dim], np.float64) for dim, each in extents.items()}
        tiles = np.prod([np.ceil(sizes[dim] / extents[dim]) for dim in pool.dims], axis=0)
        accelerator, unrolling, dataflow = task.target.accelerator, task.unrolling, task.target.accelerator.dataflow
        cycles = pass_cycles(accelerator, task.nest, unrolling, unrolling.sizes, task.ways) * np.ones(len(tiles))
        if dataflow.pipeline_cycles_per != "pass":
            cycles += pipeline_cycles(accelerator, unrolling) * tiles
        end_bits = {operand: self._end_bits(operand, sizes, extents) for operand in OPERANDS}
        demands = []
        for case, least in zip(residencies, lowest, strict=True):
            ends = sum(bits * self._own(case.repeats.fetches[operand]) for operand, bits in end_bits.items())
            demands.append(
                Demand(
                    cycles=np.maximum(self._own(case.repeats.steps) * cycles, self._own(least.cycles)),
                    body_bits=np.maximum(self._own(least.memory_bits) - ends, 0),
                    end_bits=ends,
                    dynamic_pj=self._own(least.dynamic_pj),
                )
            )
        return demands

    def _own(self, values: Any) -> Any:
        """That of this nest, of what all have or each has."""
        return values[self._number] if isinstance(values, np.ndarray) else values

    def _end_bits(self, operand: Operand, sizes: Mapping[str, Floats], extents: Mapping[str, Floats]) -> Any:
        """[last tile] Of the first or the last one; nothing if they are not those that memory moves."""
        way, mine = self._task.ways[operand], own_dims(self._pool, operand)
        if not way.ported:
            return 0
        seen = None
        if operand == "input":
            numbers = np.full(len(self._chosen[0]), self._number, dtype=np.intp)
            seen = window_of_tiles(self._pool, numbers, {dim: extents[dim] for dim in mine})
        own_sizes, own_extents = ({dim: each[dim] for dim in mine} for each in (sizes, extents))
        elements = tilings(operand, own_sizes, own_extents, seen).end
        return whole_words(elements * min(way.memory_bits, way.partial_bits), way.word_bits) * way.memory_share

    def leave_out(self, reached: Floats) -> None:
        """Those that hold no winner, given what the nest reaches: [figure, residency, 1]."""
        first = np.zeros(self._chosen.shape[1], dtype=np.intp)
        left = near(np.stack([self._value, np.zeros_like(self._value)]), first, reached).any(axis=0)
        self._left[self._left] = left
        self._chosen = self._chosen[:, left]
        self._latency_s, self._value = self._latency_s[:, left], self._value[:, left]

    def left(self, extents: Indices) -> Bools:
        """[tile] Whether tiles of such extents, [dim, tile], are still among them."""
        places = [np.searchsorted(self._options[dim], own) for dim, own in zip(self._options, extents, strict=True)]
        found: Bools = self._left[np.ravel_multi_index(places, tuple(map(len, self._options.values())))]
        return found

    def least_s(self, tiles: Indices, stages: int) -> Floats:
        """[residency, tile] The time of those around tiles of so many stages further in; infinite if none is."""
        leads: Bools = np.ones((len(tiles), self._chosen.shape[1]), dtype=bool)  # [tile, last tile]
        for dim, inside, chosen in zip(self._pool.dims, self._pool.extents[tiles].T, self._chosen, strict=True):
            if len(self._options[dim]) > 1:
                some, kind = np.unique(inside, return_inverse=True)
                leads &= np.array([self._around(dim, extent, stages) for extent in some.tolist()])[kind][:, chosen]
        return np.stack([np.where(leads, own_s, np.inf).min(axis=1, initial=np.inf) for own_s in self._latency_s])

    def _around(self, dim: str, inside: int, stages: int) -> list[bool]:
        """Which extents along a dim there are around one of so many stages further in."""
        key = dim, inside, stages
        if key not in self._around_known:
            found = set(self._task.extents_beyond(dim, [inside], stages))
            self._around_known[key] = [extent in found for extent in self._options[dim]]
        return self._around_known[key]
