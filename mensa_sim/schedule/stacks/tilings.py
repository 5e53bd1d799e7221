"""Sizes of stacks for every first layer, found once for all accelerators that a graph's layers may be stacked on."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from mensa_sim.cost.stacks.planes import Plane
from mensa_sim.cost.stacks.tiling import Tiling, TilingSize


def tile_rows(rows: int) -> list[int]:
    """Rows of a tile that are tried, the most first: those of one tile, two, three, and on in steps of about a third.

    >>> tile_rows(14)
    [14, 7, 5, 3, 2, 1]
    """
    found: dict[int, None] = {}
    tiles = 1
    while tiles < rows:
        found[-(-rows // tiles)] = None
        tiles += 1 + tiles // 3
    found[1] = None
    return list(found)


class TilingSizes:
    """Stacks of neighbours in one order, by their last layer, in tiles of all `tile_rows`.

    `readers` are who reads what each layer makes.
    """

    def __init__(self, planes: Mapping[str, Plane], readers: Mapping[str, Collection[str]]) -> None:
        self._planes, self._readers = planes, readers
        self._known: dict[str, list[tuple[TilingSize, ...]]] = {}
        self._open: dict[str, Tiling] = {}
        """Those that may grow."""

    def sizes(self, order: Sequence[str], end: int) -> Iterator[tuple[TilingSize, ...]]:
        """Of the last layer before `end` alone, then with each layer before it, as long as they can be one stack."""
        last = order[end - 1]
        if last not in self._known:
            self._known[last], self._open[last] = [], self._tiling(last)
        known = self._known[last]
        for place in range(end):
            if place == len(known) and not self._grow(last, order[end - 1 - place]):
                return
            yield known[place]

    def _tiling(self, last: str) -> Tiling:
        def leaves(name: str) -> bool:
            # Readers come after it, so those in the stack have joined before.
            return not self._readers[name] or any(reader not in tiling for reader in self._readers[name])

        tiling = Tiling(self._planes, last, tile_rows(self._planes[last].rows), leaves)
        return tiling

    def _grow(self, last: str, layer: str) -> bool:
        """Whether one more layer before it can be in one stack with it."""
        tiling = self._open.get(last)
        if tiling is not None and tiling.prepend(layer):
            self._known[last].append(tiling.sizes)
            return True
        self._open.pop(last, None)
        return False
