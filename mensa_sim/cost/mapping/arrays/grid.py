"""All tile extents that are tried for some nests, as flat arrays: one entry per chain of inner tiles of a nest and tile
of the last stage above it. The nests lie one behind another along the axis of entries."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property, reduce
from itertools import pairwise
from operator import mul
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, ROTATIONS, GroupOrder, group, stage_count
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.pool import Known, TilePool, noted
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.cost.mapping.tried_extents import TriedExtents

Kind = TypeVar("Kind", np.float64, np.intp, np.bool_)


def one_or_array(numbers: Sequence[int]) -> Any:
    """The whole number that all of some nests have, or [task] those of each."""
    return numbers[0] if len(set(numbers)) == 1 else np.array(numbers)


class LeftTiles(Protocol):
    """Last tiles of one nest, of which some are left."""

    def left(self, extents: Indices) -> Bools:
        """[tile] Whether each is, by its extents: [dim, tile]."""


class Entries:
    """Entries of some nests: those of a nest lie together, in the nests' order."""

    def __init__(self, tasks: Sequence[NestTask], task_of_entry: Indices) -> None:
        self.tasks, self.task_of_entry = tasks, task_of_entry
        """[entry] The nest that it belongs to."""

    def per_task(self, values: npt.ArrayLike) -> Floats:
        """[entry] A number per nest."""
        found: Floats = np.asarray(values, dtype=np.float64)[self.task_of_entry]
        return found

    def each(self, values: Any) -> Any:
        """A number of all nests as it is, or [entry] of one for each."""
        return self.per_task(values) if isinstance(values, np.ndarray) else values


class LastChoices:
    """The last tiles that are tried around some chains: [entry]."""

    def __init__(self, pool: TilePool, chains: Chains, last: Mapping[int, LeftTiles] | None = None) -> None:
        """Of the nests in `last` only those are tried that are left."""
        self.pool, self.chains = pool, chains
        self.options = options = TriedExtents.around(
            pool, chains.tiles[-1], chains.larger, lambda task: task.last_extents
        )
        """[chain]"""
        skipped = (chains.larger > 0).astype(np.intp).T  # the whole dim, which stands first
        self.part, self.chosen = options.combined([pool.tasks[0].last_rooms], skipped)
        """[entry] The chain that it is around, and [dim, entry] the place of its extent among those of the chain."""
        if last:
            self._leave_out(last)
        self._noted: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.part)

    def _leave_out(self, last: Mapping[int, LeftTiles]) -> None:
        """The entries whose last tiles are not left."""
        task, places = self.chains.task[self.part], self.chosen + self.options.first[:, self.part]
        each = zip(self.options.extents, places, strict=True)
        extents = np.stack([own[place] for own, place in each]).astype(np.int64)
        stays: Bools = np.ones(len(task), dtype=bool)
        for number, tiles in last.items():
            mine = np.flatnonzero(task == number)
            stays[mine] = tiles.left(extents[:, mine])
        self.part, self.chosen = self.part[stays], self.chosen[:, stays]

    @cached_property
    def tiles(self) -> Floats:
        """[entry] How many there are in the nest."""
        found: Floats = np.ones(len(self))
        for row, (options, task) in enumerate(zip(self.options.extents, self.options.task, strict=True)):
            trips = np.ceil(self.pool.sizes[task, row] / options)
            found *= trips[self.chosen[row] + self.options.first[row][self.part]]
        return found

    def noted(self, name: Hashable, made: Callable[[], Known]) -> Known:
        """What is made once, by a name."""
        return noted(self._noted, name, made)


class Grid(Entries):
    """Trips of each group of loops over the tiles of each stage, for some of the entries that are tried.

    A bare grid, of which nothing is tried, has one entry per chain: the tile of every stage that the chain leaves open
    is the whole nest.
    """

    def __init__(
        self, pool: TilePool, chains: Chains, tried: LastChoices | None = None, entries: Indices | slice = slice(None)
    ) -> None:
        self.pool, self.dims, self.chains = pool, pool.dims, chains
        self.bare, self.known = tried is None, len(chains.tiles)
        """`known` are the stages whose tiles the chains give."""
        self.stages = stage_count(pool.tasks[0].ways)
        """Stages of levels, the registers included."""
        if tried is not None:
            self.tried, self.part, self.chosen = tried, tried.part[entries], tried.chosen[:, entries]
            """[entry] Its chain, and [dim, entry] the position of its extent among those of the chain."""
        super().__init__(pool.tasks, self._each_part(chains.task))
        self.trips: list[dict[str, Floats]] = [{} for _ in range(self.stages)]
        """[stage][group][entry] Tiles of a stage along the dims of a group, over the whole nest."""
        self.still: list[dict[str, Bools]] = [{} for _ in range(self.stages)]
        """[stage][group][entry] Whether a tile of the next stage holds a single one of this along the group; over the
        last stage, whether the nest does."""
        self._count()
        self.tiles: Floats = reduce(mul, self.trips[-1].values())
        """[entry] Tiles of the last stage."""

    def _count(self) -> None:
        last, pool = self.stages - 1, self.pool
        numbers = [self.numbers(stage) for stage in range(last + self.bare)]
        for name in ALL_GROUPS:
            dims = tuple(dim for dim in self.dims if group(dim) == name)
            trips, places = pool.trips(dims), pool.places(dims)
            for stage, own in enumerate(numbers):
                self.trips[stage][name] = self.per_part(trips[own])
            for stage, (inner, outer) in enumerate(pairwise(numbers)):
                self.still[stage][name] = self._each_part(places[inner] == places[outer])
            if not self.bare:
                self._count_last(name, [row for row, dim in enumerate(self.dims) if dim in dims])
            self.still[-1][name] = self.trips[-1][name] == 1

    def _count_last(self, name: str, rows: Sequence[int]) -> None:
        """Notes the tiles of the last stage along the dims of a group."""
        trips: Floats = np.ones(len(self.task_of_entry))
        still: Bools = np.ones(len(trips), dtype=bool)
        inside = self.extents(self.stages - 2)
        for row in rows:
            if all(task.unrolling.sizes[self.dims[row]] == task.unrolling.lanes[self.dims[row]] for task in self.tasks):
                continue
            extent = self.of_option(row, self.tried.options.extents[row])
            trips *= np.ceil(self.per_task(self.pool.sizes[:, row]) / extent)
            still &= self.per_part(inside[:, row]) == extent
        self.trips[-1][name], self.still[-2][name] = trips, still

    def numbers(self, stage: int) -> Indices:
        """[chain] The tiles of a stage below the last, in the pool: the whole nest if the chains leave it open."""
        return self.chains.tiles[stage] if stage < self.known else self.pool.whole[self.chains.task]

    def extents(self, stage: int) -> Indices:
        """[chain, dim] Those of the same tiles."""
        return self.pool.extents[self.numbers(stage)]

    def of_option(self, row: int, values: Floats) -> Floats:
        """[entry] A number per option of a dim, by the entry's choice."""
        found: Floats = values[self.chosen[row] + self.tried.options.first[row][self.part]]
        return found

    def per_part(self, values: Sequence[npt.ArrayLike] | npt.NDArray[Any]) -> Floats:
        """[entry] A number per chain."""
        return self._each_part(np.asarray(values, dtype=np.float64))

    def per_part_index(self, values: Indices) -> Indices:
        """[entry] A position per chain."""
        return self._each_part(values)

    def _each_part(self, values: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        return values if self.bare else values[self.part]

    def tiles_of(self, entries: Indices) -> list[tuple[Mapping[str, int], ...]]:
        """The tiles of all stages of each entry."""
        part, options = self.part[entries], self.tried.options
        places = self.chosen[:, entries] + options.first[:, part]
        last = [each[place].astype(np.int64).tolist() for each, place in zip(options.extents, places, strict=True)]
        inner = [self.pool.extents[self.numbers(stage)[part]].tolist() for stage in range(self.stages - 1)]
        each = zip(*inner, zip(*last, strict=True), strict=True)
        return [tuple(dict(zip(self.dims, tile, strict=True)) for tile in tiles) for tiles in each]

    def orders_of(self, entries: Indices) -> list[tuple[GroupOrder, ...]]:
        """The orders of the blocks between the tiles of each entry's chain."""
        part = self.part[entries]
        orders = np.array([each[part] for each in self.chains.orders], dtype=np.intp).reshape(-1, len(part))
        return [tuple(ROTATIONS[index] for index in own) for own in orders.T.tolist()]
