"""How the array unrolls a loop nest in space: each axis filled with its dims in order."""

from collections.abc import Mapping
from math import prod

from mensa_sim.hardware.array.pe_array import Axis, PeArray
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import DIMS, split_dims
from mensa_sim.workload.layer import LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrolling:
    """The loop dims of a nest on an array (a flattened product counts as one), their sizes, and the lanes of each."""

    sizes: Mapping[str, int]
    lanes: Mapping[str, int]
    """Indices of each dim that the array takes at once, at most its size."""
    filled: tuple[int, ...]
    """Rows of each axis that have work."""
    along: tuple[Mapping[str, int], ...]
    """For each axis, how many indices of each dim it takes; together they may reach beyond a dim's end."""

    @property
    def dims(self) -> tuple[str, ...]:
        """The loop dims, in a fixed order."""
        return tuple(self.sizes)

    def trips(self, dim: str) -> int:
        """Passes of the array over a dim: what does not fill an axis idles."""
        return -(-self.sizes[dim] // self.lanes[dim])

    @property
    def passes(self) -> int:
        """Cycles of the whole nest without fill, drain or stall: the product of ceil(dim / lanes)."""
        return prod(self.trips(dim) for dim in self.sizes)


def loop_dims(axes: tuple[Axis, ...]) -> tuple[str, ...]:
    """The dims that loops run over: the eight of the nest, flattened products in the place of their members."""
    owner = {member: entry for axis in axes for entry in axis.dims for member in split_dims(entry)}
    return tuple(dict.fromkeys(owner.get(dim, dim) for dim in DIMS))


def unroll(nest: LoopNest, accelerator: PeArray, most: Mapping[str, int] | None = None) -> Unrolling:
    """Fill each axis with its dims as it says; the MACs within a PE are one more axis.

    Of the dims in `most` the array takes no more than so many lanes.
    """
    dims = loop_dims(accelerator.unrolled_axes)
    sizes = {dim: prod(getattr(nest, member) for member in split_dims(dim)) for dim in dims}
    lanes = dict.fromkeys(sizes, 1)

    def fill(axis: Axis) -> dict[str, int]:
        takes: dict[str, int] = {}
        for dim in axis.dims:
            wanted = -(-min(sizes[dim], (most or {}).get(dim, sizes[dim])) // lanes[dim])
            takes[dim] = min(wanted, axis.size // prod(takes.values()))
            lanes[dim] *= takes[dim]
        return takes

    along = tuple(fill(axis) for axis in accelerator.unrolled_axes)
    lanes = {dim: min(lanes[dim], sizes[dim]) for dim in sizes}
    return Unrolling(sizes=sizes, lanes=lanes, filled=tuple(prod(takes.values()) for takes in along), along=along)
