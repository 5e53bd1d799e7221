"""The cut of a sequence of layers into stacks that moves the least: dynamic programming over where stacks end."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from mensa_sim.cost.stacks.planes import Plane
from mensa_sim.cost.stacks.tiling import TilingSize
from mensa_sim.records import dataclass
from mensa_sim.schedule.stacks.tilings import TilingSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Layers `begin` to `end`, the last left out, as a stack; a single one runs as it does without stacks."""

    begin: int
    end: int
    rows: int
    """Of the last layer in a tile; all of them where the segment is a single layer."""
    value: float
    parts: int = 1
    """Of the channels between two products, made one after another for each tile of rows."""


Price = Callable[[TilingSize], float | None]
"""What a stack moves, or none where it does not fit; one that does not fit never will with more layers before it.

Nor does it ever move less in smaller tiles: parameters may be fetched more often, and every row moves once.
"""


InParts = Callable[[int], Iterable[Segment]]
"""Stacks up to an end that are cut otherwise than by rows alone, the best first."""


def not_in_parts(end: int) -> Iterable[Segment]:
    """There are none."""
    return ()


class Cutter:
    """Cuts a sequence of layers into stacks and single layers of the least total value.

    `order` are layers in topological order that one accelerator runs one after another; `readers` are who reads what
    each makes; `alone` is the value of each layer by itself. Of all cuts into runs of that order and all `tile_rows`,
    none is better: on a chain and where branches join again before the next one begins, that is every cut.
    """

    def __init__(
        self,
        order: Sequence[str],
        planes: Mapping[str, Plane],
        readers: Mapping[str, Collection[str]],
        alone: Sequence[float],
        price: Price,
        in_parts: InParts = not_in_parts,
        tilings: TilingSizes | None = None,
    ) -> None:
        self._order, self._alone, self._price, self._in_parts = order, alone, price, in_parts
        self._rows = [planes[name].rows for name in order]
        self._tilings = TilingSizes(planes, readers) if tilings is None else tilings
        self._refused: set[tuple[int, int, int, int]] = set()
        self._ending: dict[int, list[Segment]] = {}

    def refuse(self, segment: Segment) -> None:
        """Never propose this stack again."""
        self._refused.add((segment.begin, segment.end, segment.rows, segment.parts))
        self._ending.pop(segment.end, None)

    def best(self) -> list[Segment]:
        """The segments of the least total value; equal ones with fewer segments."""
        least: list[tuple[float, int]] = [(0.0, 0)]
        chosen: list[Segment] = []
        for end in range(1, len(self._order) + 1):
            if end not in self._ending:
                self._ending[end] = self._stacks_to(end)
            last = Segment(begin=end - 1, end=end, rows=self._rows[end - 1], value=self._alone[end - 1])
            found = [last, *self._ending[end]]
            totals = [(least[each.begin][0] + each.value, least[each.begin][1] + 1) for each in found]
            winner = min(range(len(found)), key=totals.__getitem__)
            least.append(totals[winner])
            chosen.append(found[winner])
        segments: list[Segment] = []
        end = len(self._order)
        while end:
            segments.append(chosen[end - 1])
            end = chosen[end - 1].begin
        return segments[::-1]

    def _stacks_to(self, end: int) -> list[Segment]:
        """The best stack of each length that ends there: that of the largest tiles that fit."""
        found: dict[int, Segment] = {}
        first = 0  # of the sizes of a tile, the first that fits
        for begin, sizes in zip(range(end - 1, -1, -1), self._tilings.sizes(self._order, end), strict=False):
            if begin == end - 1:
                continue
            for place, size in enumerate(sizes[first:], start=first):
                value = self._price(size)
                if value is None:
                    first += place == first
                elif (begin, end, size.rows, 1) not in self._refused:
                    found[begin] = Segment(begin=begin, end=end, rows=size.rows, value=value)
                    break
            if first == len(sizes):
                break
        for each in self._in_parts(end):
            allowed = (each.begin, end, each.rows, each.parts) not in self._refused
            if allowed and (each.begin not in found or each.value < found[each.begin].value):
                found[each.begin] = each
        return list(found.values())
