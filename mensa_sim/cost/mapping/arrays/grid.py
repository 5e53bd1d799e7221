"""All tile extents that are tried for some nests, as flat arrays: one entry per chain of inner tiles of a nest and tile
of the last stage above it. The nests lie one behind another along the axis of entries."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, group, positions
from mensa_sim.cost.mapping.task import NestTask, Part


class Entries:
    """Entries of some nests: those of a nest lie together, in the nests' order."""

    def __init__(self, tasks: Sequence[NestTask], task_of_entry: Indices) -> None:
        self.tasks, self.task_of_entry = tasks, task_of_entry
        """[entry] The nest that it belongs to."""

    def least(self, values: Floats) -> Floats:
        """[task] The least of a number per entry; infinite for a nest that has none."""
        found = np.full(len(self.tasks), np.inf)
        np.minimum.at(found, self.task_of_entry, values)
        return found

    def per_task(self, values: Sequence[npt.ArrayLike] | Floats) -> Floats:
        """[entry] A number per nest."""
        found: Floats = np.asarray(values, dtype=np.float64)[self.task_of_entry]
        return found

    def each(self, values: Sequence[float]) -> float | Floats:
        """A number per nest: itself where all have the same, else [entry]."""
        return values[0] if len(set(values)) == 1 else self.per_task(values)


class Grid(Entries):
    """Trips of each group of loops over the tiles of each stage, one entry per combination of extents."""

    def __init__(self, tasks: Sequence[NestTask]) -> None:
        self.dims = tasks[0].unrolling.dims
        self.parts = [part for task in tasks for part in task.parts]
        self.entries_of_part = np.array([prod(p.choices) for p in self.parts])
        self.task_of_part = np.array([index for index, task in enumerate(tasks) for _ in task.parts])
        super().__init__(tasks, np.repeat(self.task_of_part, self.entries_of_part))
        self.starts: tuple[int, ...] = tuple(accumulate(self.entries_of_part[:-1].tolist(), initial=0))
        self.stages = len(self.parts[0].chain.tiles) + 1
        """Stages of levels, the registers included."""
        self.chosen: Indices = np.concatenate([positions(p.choices) for p in self.parts], axis=1)
        """[dim, entry] Position of an entry's extent among those of its part."""
        self.options = [
            np.array([e for p in self.parts for e in p.extents[dim]], dtype=np.float64) for dim in self.dims
        ]
        """[dim][option] The extents of all parts, one part behind another."""
        counts = np.array([p.choices for p in self.parts]).T
        self.first_option: Indices = np.cumsum(counts, axis=1) - counts
        """[dim, part] Where a part's extents begin among the options."""
        self.trips: list[dict[str, Floats]] = []
        """[stage][group][entry] Tiles of a stage along the dims of a group, over the whole nest."""
        self.still: list[dict[str, Bools]] = []
        """[stage][group][entry] Whether a tile of the next stage holds a single one of this along the group; over the
        last stage, whether the nest does."""
        self._count()
        last = self.trips[-1]
        self.tiles: Floats = last["K"] * last["R"] * last["S"] * last["G"]
        """[entry] Tiles of the last stage."""

    def _count(self) -> None:
        total = len(self.task_of_entry)
        self.trips = [{name: np.ones(total) for name in ALL_GROUPS} for _ in range(self.stages)]
        self.still = [{name: np.ones(total, dtype=bool) for name in ALL_GROUPS} for _ in range(self.stages)]
        for index, dim in enumerate(self.dims):
            if all(task.unrolling.sizes[dim] == task.unrolling.lanes[dim] for task in self.tasks):
                continue
            name, size = group(dim), self.per_task([task.unrolling.sizes[dim] for task in self.tasks])
            extents = [
                self.per_part([p.chain.tiles[stage][dim] for p in self.parts]) for stage in range(self.stages - 1)
            ]
            extents.append(self.of_option(index, self.options[index]))
            for stage, extent in enumerate(extents):
                self.trips[stage][name] *= np.ceil(size / extent)
            for stage, (inner, outer) in enumerate(pairwise(extents)):
                self.still[stage][name] &= inner == outer
        self.still[-1] = {name: count == 1 for name, count in self.trips[-1].items()}

    def of_option(self, dim: int, values: Floats) -> Floats:
        """[entry] A number per option of a dim, by the entry's choice."""
        first: Indices = np.repeat(self.first_option[dim], self.entries_of_part)
        found: Floats = values[self.chosen[dim] + first]
        return found

    def per_part(self, values: Sequence[npt.ArrayLike] | Floats) -> Floats:
        """[entry] A number per part."""
        return np.repeat(np.asarray(values, dtype=np.float64), self.entries_of_part)

    def per_part_index(self, values: Indices) -> Indices:
        """[entry] A position per part."""
        return np.repeat(values, self.entries_of_part)

    def tiles_of(self, entry: int) -> tuple[Mapping[str, int], ...]:
        """The tiles of all stages of an entry."""
        part = self.part_of(entry)
        last = {
            dim: part.extents[dim][position]
            for dim, position in zip(self.dims, self.chosen[:, entry].tolist(), strict=True)
        }
        return (*part.chain.tiles, last)

    def part_of(self, entry: int) -> Part:
        """The part of an entry."""
        return self.parts[int(np.searchsorted(self.starts, entry, side="right")) - 1]
