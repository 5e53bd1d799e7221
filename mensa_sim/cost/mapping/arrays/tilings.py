"""What is known of the tiles of one operand under many tilings: those of a pool, and others."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mensa_sim.arrays import Floats, distinct
from mensa_sim.cost.counts.room import WindowSteps, lanes_of, own_elements, taken_bits
from mensa_sim.cost.counts.tiles import Classes, Indices, TilingSums, classes_of, tilings
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.counts.window import window_histogram
from mensa_sim.cost.mapping.pool import TilePool, noted
from mensa_sim.workload.dims import Operand, in_window, relevant

if TYPE_CHECKING:
    from mensa_sim.cost.mapping.task import NestTask


class OperandTilings:
    """Sums over the tiles of an operand for some tilings: [tiling]."""

    def __init__(
        self,
        operand: Operand,
        tasks: Sequence["NestTask"],
        task: Indices,
        extents: Mapping[str, Floats],
        sums: "TilingSums | WholeSums",
    ) -> None:
        self._operand, self._tasks, self._task, self._extents, self._sums = operand, tasks, task, extents, sums
        self._pieces: dict[Hashable, Floats] = {}

    @cached_property
    def elements(self) -> Floats:
        """Elements of all tiles."""
        return self._sums.elements

    @cached_property
    def end(self) -> Floats:
        """Elements of the first tile, or for an output of the last one."""
        return self._sums.end

    @cached_property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        return self._sums.largest

    @cached_property
    def number(self) -> Floats:
        """How many tiles there are."""
        return self._sums.number

    def held(self, stops: Sequence[Stop]) -> Floats:
        """Elements of a tile in the fullest instance of a level, under the unrolling of each nest."""
        if all(stop.spread == 1 for stop in stops):
            return self.largest
        steps = WindowSteps.of([task.nest for task in self._tasks], self._task)
        return own_elements(steps, self._operand, lanes_of(stops, self._task), self._extents, self.largest)

    def taken(self, stops: Sequence[Stop], copies: int) -> Floats:
        """The same with room for the tile that takes its place."""
        found: Floats = taken_bits(self.held(stops), self.number == 1, copies)
        return found

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses that all tiles take; `spread` is one number, or one for each nest."""
        over, kind = (spread[self._task], spread.tobytes()) if isinstance(spread, np.ndarray) else (spread, spread)
        return noted(self._pieces, (bits, unit_bits, kind), lambda: self._sums.pieces(bits, unit_bits, over))


class WholeSums:
    """Sums over the one tile that a whole operand is, for each nest, in no more accesses than any tiles take."""

    def __init__(self, tasks: Sequence["NestTask"], operand: Operand) -> None:
        self.largest: Floats = np.array(
            [task.elements(operand, task.unrolling.sizes) for task in tasks], dtype=np.float64
        )
        self.elements = self.largest
        self.end, self.number = np.zeros(len(tasks)), np.ones(len(tasks))

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses that their bits fill, but for what is rounded up, in however many instances."""
        found: Floats = self.elements * bits / unit_bits
        return found


class PoolTilings:
    """Sums over the tiles of an operand for all tiles of a pool: [tile]."""

    def __init__(self, pool: TilePool, operand: Operand) -> None:
        self._pool, self._operand, self._dims = pool, operand, own_dims(pool, operand)
        self._parts: list[tuple[int, OperandTilings, Indices]] = []
        """Tiles in the order in which they were taken up: the first of some, their tilings, and which is whose."""
        self._seen = 0

    def _of(self, name: Hashable, figure: Callable[[OperandTilings], Floats]) -> Floats:
        """[tile] A figure, which those have in common that are equal along the dims of the operand."""

        def of(new: int) -> Floats:
            if self._seen < len(self._pool.task):
                self._take_up()
            return np.concatenate([figure(tilings)[which] for begin, tilings, which in self._parts if begin >= new])

        return self._pool.column((self._operand, name), of)

    def _take_up(self) -> None:
        """Works out the tilings of all tiles that are new since the last time."""
        pool, mine, new = self._pool, self._dims, self._seen
        self._seen = len(pool.task)
        first, which = distinct([pool.places(tuple(mine))[new:]])
        task, few = pool.task[new:][first], pool.extents[new:][first]
        own = {dim: few[:, pool.dims.index(dim)].astype(np.float64) for dim in mine}
        seen = window_of_tiles(pool, task, own) if self._operand == "input" else None
        sums = tilings(self._operand, sizes_of(pool, mine, task), own, seen)
        self._parts.append((new, OperandTilings(self._operand, pool.tasks, task, own, sums), which))

    @property
    def elements(self) -> Floats:
        """Elements of all tiles."""
        return self._of("elements", lambda each: each.elements)

    @property
    def end(self) -> Floats:
        """Elements of the first tile, or for an output of the last one."""
        return self._of("end", lambda each: each.end)

    @property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        return self._of("largest", lambda each: each.largest)

    @property
    def number(self) -> Floats:
        """How many tiles there are."""
        return self._of("number", lambda each: each.number)

    def held(self, stops: Sequence[Stop]) -> Floats:
        """Elements of a tile in the fullest instance of a level."""
        return self._of(("held", stops[0].level.name), lambda each: each.held(stops))

    def taken(self, stops: Sequence[Stop], copies: int) -> Floats:
        """The same with room for the tile that takes its place."""

        def of(new: int) -> Floats:
            found: Floats = taken_bits(self.held(stops)[new:], self.number[new:] == 1, copies)
            return found

        return self._pool.column((self._operand, "taken", stops[0].level.name), of)

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses that all tiles take; `spread` is one number, or one for each nest."""
        kind = spread.tobytes() if isinstance(spread, np.ndarray) else spread
        return self._of((bits, unit_bits, kind), lambda each: each.pieces(bits, unit_bits, spread))


def tilings_of(pool: TilePool, operand: Operand) -> PoolTilings:
    """The tilings of an operand in a pool."""
    return pool.noted(("tilings", operand), lambda: PoolTilings(pool, operand))


def sizes_of(pool: TilePool, dims: Sequence[str], task: Indices) -> dict[str, Floats]:
    """[tiling] The size of each dim in the nest that a tiling is for."""
    return {dim: pool.sizes[task, pool.dims.index(dim)].astype(np.float64) for dim in dims}


def own_dims(pool: TilePool, operand: Operand) -> list[str]:
    """The dims that index an operand; those of a window come last."""
    mine = [dim for dim in pool.dims if relevant(operand, dim)]
    return sorted(mine, key=lambda dim: operand == "input" and in_window(dim))


def window_of_tiles(pool: TilePool, task: Indices, extents: Mapping[str, Floats]) -> tuple[Classes, Indices]:
    """Of single tiles, by their extents, [tiling], what a window shows, and of which kind each is."""
    inside = tuple(dim for dim in extents if in_window(dim))
    tiles = np.stack([extents[dim] for dim in inside], axis=1).astype(np.int64)
    some, kind = distinct([task, *tiles.T])
    seen = [
        window_histogram(pool.tasks[own].window, tuple(zip(inside, tile, strict=True)))
        for own, tile in zip(task[some].tolist(), tiles[some].tolist(), strict=True)
    ]
    return classes_of(seen), kind
