"""The cut of a sequence of layers into stacks that moves the least: dynamic programming over where stacks end."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.cost.stacks.planes import Plane
from mensa_sim.cost.stacks.tiling import Tiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Layers `begin` to `end`, the last left out, as a stack; a single one runs as it does without stacks."""

    begin: int
    end: int
    rows: int
    """Of the last layer in a tile; all of them where the segment is a single layer."""
    value: float


Price = Callable[[Tiling], float | None]
"""What a stack moves, or none where it does not fit; one that does not fit never will with more layers before it.

Nor does it ever move less in smaller tiles: parameters may be fetched more often, and every row moves once.
"""


def tile_rows(rows: int) -> list[int]:
    """Rows of a tile that are tried, the most first: those of one tile, two, three, and on in steps of about a third.

    >>> tile_rows(14)
    [14, 7, 5, 4, 3, 2, 1]
    """
    found: dict[int, None] = {}
    tiles = 1
    while tiles < rows:
        found[-(-rows // tiles)] = None
        tiles += 1 + tiles // 3
    found[1] = None
    return list(found)


def best_cut(
    order: Sequence[str],
    planes: Mapping[str, Plane],
    readers: Mapping[str, Collection[str]],
    alone: Sequence[float],
    price: Price,
    refused: Collection[tuple[int, int, int]] = (),
) -> list[Segment]:
    """The segments of the least total value; equal ones with fewer segments.

    `order` are layers in topological order that one accelerator runs one after another; `readers` are who reads what
    each makes, `""` among them where it leaves the model; `alone` is the value of each layer by itself. Of all cuts
    into runs of that order and all `tile_rows`, none is better: on a chain and where branches join again before the
    next one begins, that is every cut. `refused` are begin, end and rows of stacks that there may not be.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]
    chosen: list[Segment | None] = [None]
    for end in range(1, len(order) + 1):
        found = [Segment(begin=end - 1, end=end, rows=planes[order[end - 1]].rows, value=alone[end - 1])]
        found += _ending_at(end, order, planes, readers, price, refused)
        totals = [(best[each.begin][0] + each.value, best[each.begin][1] + 1) for each in found]
        least = min(range(len(found)), key=lambda index: totals[index])
        best.append(totals[least])
        chosen.append(found[least])
    segments: list[Segment] = []
    end = len(order)
    while end:
        segment = chosen[end]
        assert segment is not None
        segments.append(segment)
        end = segment.begin
    return segments[::-1]


def _ending_at(
    end: int,
    order: Sequence[str],
    planes: Mapping[str, Plane],
    readers: Mapping[str, Collection[str]],
    price: Price,
    refused: Collection[tuple[int, int, int]],
) -> list[Segment]:
    """The best stack of each length that ends there: that of the largest tiles that fit."""
    place = {name: index for index, name in enumerate(order[:end])}
    leaves = {name: not readers[name] or any(reader not in place for reader in readers[name]) for name in place}
    found: dict[int, Segment] = {}
    for rows in tile_rows(planes[order[end - 1]].rows):
        tiling = Tiling(planes, order[end - 1], rows, leaves)
        for begin in range(end - 1, -1, -1):
            if not tiling.prepend(order[begin]):
                break
            if begin in found or begin == end - 1:
                continue
            value = price(tiling)
            if value is None:
                break
            if (begin, end, rows) not in refused:
                found[begin] = Segment(begin=begin, end=end, rows=rows, value=value)
    return list(found.values())
