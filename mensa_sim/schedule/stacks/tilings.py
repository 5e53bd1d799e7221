"""Sizes of stacks for every first layer, found once for all accelerators that a graph's layers may be stacked on."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from mensa_sim.cost.stacks.planes import Plane
from mensa_sim.cost.stacks.tiling import Tiling, TilingSize


class TilingSizes:
    """Stacks of neighbours in one order, by their last layer and the rows of its tiles.

    `readers` are who reads what each layer makes. Stacks of which more than `most_bits` would lie on chip at once are
    not looked for, nor longer ones.
    """

    def __init__(
        self, planes: Mapping[str, Plane], readers: Mapping[str, Collection[str]], most_bits: float = float("inf")
    ) -> None:
        self._planes, self._readers, self._most_bits = planes, readers, most_bits
        self._known: dict[tuple[str, int], list[TilingSize]] = {}
        self._open: dict[tuple[str, int], Tiling] = {}
        """Those that may grow."""

    def sizes(self, order: Sequence[str], end: int, rows: int) -> Iterator[TilingSize]:
        """Of the last layer before `end` alone, then with each layer before it, as long as they can be one stack."""
        key = order[end - 1], rows
        if key not in self._known:
            self._known[key], self._open[key] = [], self._tiling(*key)
        known = self._known[key]
        for place in range(end):
            if place == len(known) and not self._grow(key, order[end - 1 - place]):
                return
            yield known[place]

    def _tiling(self, last: str, rows: int) -> Tiling:
        def leaves(name: str) -> bool:
            # Readers come after it, so those in the stack have joined before.
            return not self._readers[name] or any(reader not in tiling for reader in self._readers[name])

        tiling = Tiling(self._planes, last, rows, leaves)
        return tiling

    def _grow(self, key: tuple[str, int], layer: str) -> bool:
        """Whether the stack with one more layer before it is one that is looked for."""
        tiling = self._open.get(key)
        if tiling is None:
            return False
        if tiling.prepend(layer):
            size = tiling.size
            if size.most_held_bits <= self._most_bits:
                self._known[key].append(size)
                return True
        del self._open[key]
        return False
