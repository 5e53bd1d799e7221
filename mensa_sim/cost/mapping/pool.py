"""The tiles that the chains of a search are made of: each stands once, with what is known of it.

Chains have few tiles in many combinations, so that what depends on a tile alone is worked out here, once for all.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats, distinct
from mensa_sim.cost.counts.counts import visited
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.workload.dims import Operand

if TYPE_CHECKING:
    from mensa_sim.cost.mapping.task import NestTask

Known = TypeVar("Known")


def noted(known: dict[Hashable, Any], name: Hashable, made: Callable[[], Known]) -> Known:
    """What is made once, by a name."""
    if name not in known:
        known[name] = made()
    found: Known = known[name]
    return found


class TilePool:
    """Tiles of some nests by their numbers: [tile]. They become more as chains grow."""

    def __init__(self, tasks: Sequence["NestTask"]) -> None:
        self.tasks, self.dims = tasks, tasks[0].unrolling.dims
        self.sizes: Indices = np.array([list(task.unrolling.sizes.values()) for task in tasks], dtype=np.int64)
        """[task, dim]"""
        products = np.cumprod(self.sizes, axis=1)
        self._strides, self._begins = products // self.sizes, np.cumsum(products[:, -1]) - products[:, -1]
        self.task: Indices = np.zeros(0, dtype=np.intp)
        """[tile] The nest that it belongs to."""
        self.extents: Indices = np.zeros((0, len(self.dims)), dtype=np.int64)
        """[tile, dim]"""
        self._keys: Indices = np.zeros(0, dtype=np.int64)
        self._numbers: Indices = np.zeros(0, dtype=np.intp)
        """[place] All tiles' keys in their order, and whose each is."""
        self._columns: dict[Hashable, npt.NDArray[Any]] = {}
        self._noted: dict[Hashable, Any] = {}
        lanes = np.array([list(task.unrolling.lanes.values()) for task in tasks], dtype=np.int64)
        self.lanes, self.whole = (self.numbers(np.arange(len(tasks)), each) for each in (lanes, self.sizes))
        """[task] One pass of the array, and the whole nest."""

    def numbers(self, task: Indices, extents: Indices) -> Indices:
        """The numbers of tiles of such nests, [tile], and extents, [tile, dim]; new ones are taken up."""
        key = self._places(task, extents, range(len(self.dims)))
        first, which = distinct([key])
        task, extents, keys = task[first], extents[first], key[first]  # in the order of keys
        place = np.searchsorted(self._keys, keys)
        fresh = np.append(self._keys, -1)[place] != keys
        found = np.append(self._numbers, -1)[place]
        found[fresh] = len(self.task) + np.arange(fresh.sum())
        self._keys = np.insert(self._keys, place[fresh], keys[fresh])
        self._numbers = np.insert(self._numbers, place[fresh], found[fresh])
        self.task = np.concatenate([self.task, task[fresh]])
        self.extents = np.concatenate([self.extents, extents[fresh]])
        return found[which]

    def _places(self, task: Indices, extents: Indices, along: Sequence[int]) -> Indices:
        """[tile] A number that those of one nest have in common which are equal along some dims, and no others."""
        found: Indices = self._begins[task] + sum((extents[:, dim] - 1) * self._strides[task, dim] for dim in along)
        return found

    def around(self, inside: Indices, beside: Indices, dim: int) -> tuple[list[list[int]], Indices]:
        """What tells which extents along a dim are tried around tiles: nest, extent, and the larger one beside; and for
        each tile which of these is its own."""
        columns = [self.task[inside], self.extents[inside, dim], beside[:, dim]]
        first, which = distinct(columns)
        return np.stack(columns, axis=1)[first].tolist(), which

    def column(self, name: Hashable, of: Callable[[int], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """[tile] What is known by a name; `of` tells it of all tiles from some number on."""
        known = self._columns.get(name)
        begin = 0 if known is None else len(known)
        if begin < len(self.task):
            new = of(begin)
            self._columns[name] = new if known is None else np.concatenate([known, new])
        return self._columns[name]

    def noted(self, name: Hashable, made: Callable[[], Known]) -> Known:
        """What is made once, by a name."""
        return noted(self._noted, name, made)

    def places(self, dims: tuple[str, ...]) -> Indices:
        """[tile] A number that those of one nest have in common which are equal along some dims, and no others."""
        along = [self.dims.index(dim) for dim in dims]
        return self.column(("places", dims), lambda new: self._places(self.task[new:], self.extents[new:], along))

    def trips(self, dims: tuple[str, ...]) -> Floats:
        """[tile] How many there are of it along some dims, over the whole nest."""
        along = [self.dims.index(dim) for dim in dims]

        def of(new: int) -> Floats:
            found: Floats = np.ceil(self.sizes[self.task[new:]][:, along] / self.extents[new:][:, along]).prod(axis=1)
            return found

        return self.column(("trips", dims), of)

    def apart(self, dim: str, operand: Operand, stops: Sequence[Stop]) -> Floats:
        """[tile] Those along one dim with each copy of a level on an operand's way apart, under each unrolling."""
        along = self.dims.index(dim)

        def of(new: int) -> Floats:
            task, extents = self.task[new:], self.extents[new:, along]
            first, which = distinct([task, extents])
            few = [
                visited(self.tasks[own].unrolling, dim, extent, stops[own])
                for own, extent in zip(task[first].tolist(), extents[first].tolist(), strict=True)
            ]
            return np.array(few, dtype=np.float64)[which]

        return self.column(("apart", dim, operand, stops[0].level.name), of)
