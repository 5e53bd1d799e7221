"""The extents that are tried along each dim for some tiles, and which combinations of these may fit."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

import numpy as np

from mensa_sim.arrays import Floats, spans
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.nest_tiles import NestTiles
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.workload.dims import in_window

if TYPE_CHECKING:
    from mensa_sim.cost.mapping.chains import Rooms
    from mensa_sim.cost.mapping.task import NestTask

_FEW = 256
"""Combinations of each tile that are all taken, as telling which of them may fit takes longer: a choice."""
_MANY = 65536
"""All combinations that are taken whatever each tile has, and of many those that are looked at together, unless one
tile has more: some 10 MiB. A choice."""


class TriedExtents:
    """Those of some tiles: [tile]."""

    def __init__(
        self, pool: TilePool, task: Indices, sets: Sequence[Sequence[Sequence[int]]], which: Sequence[Indices]
    ) -> None:
        """Of the sets of extents along each dim, [dim][set], the one of each tile of a nest: [dim][tile]."""
        self._pool, self._task = pool, task
        self.sets, self.which = sets, np.stack(which)
        lengths = [np.array([len(each) for each in own], np.intp) for own in sets]  # none where nothing fits
        self.extents: list[Floats] = [np.array([one for each in own for one in each], np.float64) for own in sets]
        """[dim][option] Those of all sets, one behind another."""
        self.first: Indices = np.stack(
            [(np.cumsum(many) - many)[own] for many, own in zip(lengths, which, strict=True)]
        )
        """[dim, tile] Where a tile's begin among the options."""
        self.task: list[Indices] = [
            np.repeat(task[np.unique(own, return_index=True)[1]], many)
            for many, own in zip(lengths, which, strict=True)
        ]
        """[dim][option] The nest that each is for."""
        self.counts: Indices = np.stack([many[own] for many, own in zip(lengths, which, strict=True)])
        """[dim, tile] How many they are."""

    @classmethod
    def around(
        cls,
        pool: TilePool,
        inside: Indices,
        beside: Indices,
        tried: Callable[["NestTask"], Callable[..., Sequence[int]]],
    ) -> "TriedExtents":
        """Those `tried` around tiles, given the larger extents beside them: [tile], [tile, dim]."""
        sets, which = [], []
        for row, dim in enumerate(pool.dims):
            of_set, own = pool.around(inside, beside, row)
            sets.append([tried(pool.tasks[task])(dim, *extents) for task, *extents in of_set])
            which.append(own)
        return cls(pool, pool.task[inside], sets, which)

    def combined(
        self, rooms: Sequence["Rooms"], begin: Indices | int = 0, *, first_fastest: bool = False
    ) -> tuple[Indices, Indices]:
        """[combination] The tile that each is for, and [dim, combination] the places of its extents among that tile's;
        the last dim varies fastest, or the first one.

        `begin` is the first extent that is tried, [dim, tile]. Of many combinations those that no level of some rooms
        may hold are left out: along one dim after another, with the smallest extents along those that follow.
        """
        start = np.broadcast_to(begin, self.counts.shape)
        many = np.prod(self.counts - start, axis=0)
        tiles = np.arange(len(many))
        if many.sum() <= min(max(_MANY, _FEW * len(many)), 4 * _MANY):
            return self._grown(tiles, start, (), first_fastest=first_fastest)
        pieces = np.split(tiles, np.flatnonzero(np.diff(np.cumsum(many) // _MANY)) + 1)
        each = [self._grown(piece, start, rooms, first_fastest=first_fastest) for piece in pieces]
        return np.concatenate([tile for tile, _ in each]), np.concatenate([chosen for _, chosen in each], axis=1)

    def _grown(
        self, tile: Indices, start: Indices, rooms: Sequence["Rooms"], *, first_fastest: bool
    ) -> tuple[Indices, Indices]:
        """The combinations of some tiles, one dim after another."""
        dims, tasks = self._pool.dims, self._pool.tasks
        chosen = start[:, tile].copy()
        several = np.flatnonzero((self.counts[:, tile] - chosen != 1).any(axis=1)).tolist()
        least = [np.array([float(min(each)) for each in own]) for own in self.sets] if rooms else []
        extents = np.array([own[self.which[row, tile]] for row, own in enumerate(least)])
        order = several[::-1] if first_fastest else several
        for step, row in enumerate(order, start=1):
            own, place = spans(start[row, tile], (self.counts - start)[row, tile])
            tile, chosen = tile[own], chosen[:, own]
            chosen[row] = place
            if not rooms:
                continue
            extents = extents[:, own]
            extents[row] = self.extents[row][place + self.first[row, tile]]
            seen = not any(in_window(dims[later]) for later in order[step:])
            tiles = NestTiles(tasks, self._task[tile], dict(zip(dims, extents, strict=True)), seen=seen)
            fits = np.flatnonzero(
                np.broadcast_to(reduce(and_, [each.hold(tiles, larger=True) for each in rooms]), len(tile))
            )
            tile, chosen, extents = tile[fits], chosen[:, fits], extents[:, fits]
        return tile, chosen
