"""How the array unrolls a loop nest in space: each axis filled with its dims, in order or in the fewest passes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

from mensa_sim.errors import UsageError
from mensa_sim.hardware.array.pe_array import Axis, PeArray
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import DIMS, FLATTENED, split_dims
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
    products = [entry for axis in axes for entry in axis.dims if len(split_dims(entry)) > 1]
    singles = {entry for axis in axes for entry in axis.dims if len(split_dims(entry)) == 1}
    owner: dict[str, str] = {}
    for product in dict.fromkeys(products):
        members = split_dims(product)
        if frozenset(members) not in FLATTENED:
            raise UsageError(f"dataflow: cannot flatten {product}; only OX*OY and FX*FY, in either order")
        for member in members:
            if member in singles or owner.get(member, product) != product:
                raise UsageError(f"dataflow: {member} stands both in {product} and elsewhere")
            owner[member] = product
    return tuple(dict.fromkeys(owner.get(dim, dim) for dim in DIMS))


def unroll(nest: LoopNest, accelerator: PeArray, most: Mapping[str, int] | None = None) -> Unrolling:
    """Fill each axis with its dims as it says; the MACs within a PE are one more axis.

    Of the dims in `most` the array takes no more than so many lanes.
    """
    dims = loop_dims(accelerator.unrolled_axes)
    sizes = {dim: prod(getattr(nest, member) for member in split_dims(dim)) for dim in dims}
    lanes = dict.fromkeys(sizes, 1)

    def fill(axis: Axis) -> dict[str, int]:
        wanted = [-(-min(sizes[dim], (most or {}).get(dim, sizes[dim])) // lanes[dim]) for dim in axis.dims]
        shares = _in_order if axis.filled == "in_order" else _in_fewest_passes
        takes = dict(zip(axis.dims, shares(axis.size, wanted), strict=True))
        for dim, count in takes.items():
            lanes[dim] *= count
        return takes

    along = tuple(fill(axis) for axis in accelerator.unrolled_axes)
    lanes = {dim: min(lanes[dim], sizes[dim]) for dim in sizes}
    return Unrolling(sizes=sizes, lanes=lanes, filled=tuple(prod(takes.values()) for takes in along), along=along)


def _in_order(size: int, wanted: Sequence[int]) -> tuple[int, ...]:
    takes: list[int] = []
    for count in wanted:
        takes.append(min(count, size // prod(takes)))
    return tuple(takes)


def _in_fewest_passes(size: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """The shares of PEs with the fewest passes over what is wanted; PEs that none needs for that go to the first dims.

    >>> _in_fewest_passes(12, [64, 9]), _in_order(12, [64, 9])  # 48 passes, and 54
    ((4, 3), (12, 1))
    >>> _in_fewest_passes(12, [64, 1])  # 6 passes, for which 11 would do
    (12, 1)
    """

    def passes(takes: Iterable[int]) -> int:
        return prod(-(-count // share) for count, share in zip(wanted, takes, strict=True))

    takes = list(min(_shares(size, wanted), key=lambda takes: (passes(takes), [-share for share in takes])))
    for place, count in enumerate(wanted):
        takes[place] = min(count, size // (prod(takes) // takes[place]))
    return tuple(takes)


def _shares(size: int, wanted: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All shares worth trying: the smallest for so many passes over a dim; the last dim's for the fewest."""
    first, *others = wanted
    share = min(first, size)
    while share:
        smallest = -(-first // -(-first // share))
        if not others:
            yield (smallest,)
            return
        for rest in _shares(size // smallest, others):
            yield (smallest, *rest)
        share = smallest - 1
