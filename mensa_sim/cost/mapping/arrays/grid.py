"""All tile extents that are tried for some nests, as flat arrays: one entry per chain of inner tiles of a nest and tile
of the last stage above it. The nests lie one behind another along the axis of entries."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, ROTATIONS, GroupOrder, group, positions, stage_count
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.task import NestTask


def one_or_array(numbers: Sequence[int]) -> Any:
    """The whole number that all of some nests have, or [task] those of each."""
    return numbers[0] if len(set(numbers)) == 1 else np.array(numbers)


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

    def per_task(self, values: npt.ArrayLike) -> Floats:
        """[entry] A number per nest."""
        found: Floats = np.asarray(values, dtype=np.float64)[self.task_of_entry]
        return found

    def each(self, values: Any) -> Any:
        """A number of all nests as it is, or [entry] of one for each."""
        return self.per_task(values) if isinstance(values, np.ndarray) else values


class Grid(Entries):
    """Trips of each group of loops over the tiles of each stage, one entry per combination of extents.

    A bare grid has one entry per chain: the tile of every stage that the chain leaves open is the whole nest.
    """

    def __init__(self, tasks: Sequence[NestTask], chains: Chains, *, bare: bool = False) -> None:
        self.dims = tasks[0].unrolling.dims
        self.chains, self.bare, self.known = chains, bare, len(chains.tiles)
        """`known` are the stages whose tiles the chains give."""
        self.stages = stage_count(tasks[0].ways)
        """Stages of levels, the registers included."""
        self.sizes: Indices = np.array([list(task.unrolling.sizes.values()) for task in tasks], dtype=np.int64)
        """[task, dim]"""
        self.option_sets: list[list[tuple[int, ...]]] = []
        """[dim][set] Extents of the last stage that some chains have in common."""
        self.set_of_part = np.empty((len(self.dims), len(chains.task)), dtype=np.intp)
        """[dim, chain]"""
        self.options: list[Floats] = []
        """[dim][option] The extents of all sets, one behind another."""
        self.task_of_option: list[Indices] = []
        """[dim][option] The nest that each is for."""
        self.first_option = np.empty((len(self.dims), len(chains.task)), dtype=np.intp)
        """[dim, chain] Where a chain's extents begin among the options."""
        counts = np.array([self._take_options(tasks, row) for row in range(len(self.dims))])
        self.entries_of_part: Indices = counts.prod(axis=0)
        super().__init__(tasks, np.repeat(chains.task, self.entries_of_part))
        self.starts: Indices = np.cumsum(self.entries_of_part) - self.entries_of_part
        self.chosen: Indices = (
            np.zeros(counts.shape, dtype=np.intp)
            if bare
            else np.concatenate([positions(tuple(each)) for each in counts.T.tolist()], axis=1)
        )
        """[dim, entry] Position of an entry's extent among those of its chain."""
        self.trips: list[dict[str, Floats]] = []
        """[stage][group][entry] Tiles of a stage along the dims of a group, over the whole nest."""
        self.still: list[dict[str, Bools]] = []
        """[stage][group][entry] Whether a tile of the next stage holds a single one of this along the group; over the
        last stage, whether the nest does."""
        self._count()
        last = self.trips[-1]
        self.tiles: Floats = last["K"] * last["R"] * last["S"] * last["G"]
        """[entry] Tiles of the last stage."""

    def _take_options(self, tasks: Sequence[NestTask], row: int) -> Indices:
        """Notes the extents of the last stage along a dim; [chain] how many there are."""
        task, inside = self.chains.task, self.chains.tiles[-1][:, row]
        keys = task if self.bare else task * (self.sizes[:, row].max() + 1) + inside
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        owners, dim = task[first], self.dims[row]
        pairs = zip(owners.tolist(), inside[first].tolist(), strict=True)
        sets = [
            (tasks[own].unrolling.sizes[dim],) if self.bare else tasks[own].last_extents(dim, extent)
            for own, extent in pairs
        ]
        counts = np.array([len(each) for each in sets])
        self.option_sets.append(sets)
        self.set_of_part[row] = which
        self.options.append(np.array([extent for each in sets for extent in each], dtype=np.float64))
        self.task_of_option.append(np.repeat(owners, counts))
        self.first_option[row] = (np.cumsum(counts) - counts)[which]
        found: Indices = counts[which]
        return found

    def _count(self) -> None:
        total = len(self.task_of_entry)
        self.trips = [{name: np.ones(total) for name in ALL_GROUPS} for _ in range(self.stages)]
        self.still = [{name: np.ones(total, dtype=bool) for name in ALL_GROUPS} for _ in range(self.stages)]
        for row, dim in enumerate(self.dims):
            if all(task.unrolling.sizes[dim] == task.unrolling.lanes[dim] for task in self.tasks):
                continue
            name, size = group(dim), self.per_task(self.sizes[:, row].astype(np.float64))
            extents = [self.per_part(self.extents(stage)[:, row]) for stage in range(self.stages - 1)]
            extents.append(self.of_option(row, self.options[row]))
            for stage, extent in enumerate(extents):
                self.trips[stage][name] *= np.ceil(size / extent)
            for stage, (inner, outer) in enumerate(pairwise(extents)):
                self.still[stage][name] &= inner == outer
        self.still[-1] = {name: count == 1 for name, count in self.trips[-1].items()}

    def extents(self, stage: int) -> Indices:
        """[chain, dim] The tiles of a stage below the last."""
        found: Indices = self.chains.tiles[stage] if stage < self.known else self.sizes[self.chains.task]
        return found

    def of_option(self, row: int, values: Floats) -> Floats:
        """[entry] A number per option of a dim, by the entry's choice."""
        first: Indices = np.repeat(self.first_option[row], self.entries_of_part)
        found: Floats = values[self.chosen[row] + first]
        return found

    def per_part(self, values: Sequence[npt.ArrayLike] | npt.NDArray[Any]) -> Floats:
        """[entry] A number per chain."""
        return np.repeat(np.asarray(values, dtype=np.float64), self.entries_of_part)

    def per_part_index(self, values: Indices) -> Indices:
        """[entry] A position per chain."""
        return np.repeat(values, self.entries_of_part)

    def task_of(self, entry: int) -> NestTask:
        """The nest of an entry."""
        return self.tasks[int(self.task_of_entry[entry])]

    def tiles_of(self, entry: int) -> tuple[Mapping[str, int], ...]:
        """The tiles of all stages of an entry."""
        part = int(self.part_of(entry))
        places = self.chosen[:, entry] + self.first_option[:, part]
        last = [int(options[place]) for options, place in zip(self.options, places.tolist(), strict=True)]
        tiles = [*(self.extents(stage)[part].tolist() for stage in range(self.stages - 1)), last]
        return tuple(dict(zip(self.dims, tile, strict=True)) for tile in tiles)

    def orders_of(self, entry: int) -> list[GroupOrder]:
        """The orders of the blocks between the tiles of an entry's chain."""
        part = int(self.part_of(entry))
        return [ROTATIONS[int(each[part])] for each in self.chains.orders]

    def part_of(self, entries: Any) -> Any:
        """The chain of an entry, or of each of several."""
        return np.searchsorted(self.starts, entries, side="right") - 1
