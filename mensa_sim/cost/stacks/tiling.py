"""A stack cut into tiles of rows: what each layer makes in each tile, and what lies on chip meanwhile.

A tile of rows of the last layer needs more rows of every layer before it (Mei et al., HPCA 2023, arXiv 2212.05344).
Rows that two tiles share are kept and never made again: in a tile a layer makes what it has not made so far of the rows
up to the last one that the tile needs. Making them again would cost work, and take no less room where windows leave no
rows out: `tests/cost/stacks/test_tiling.py` walks both.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from mensa_sim.arrays import Bools, Ints
from mensa_sim.cost.stacks.flow import Cuts, Flow, Needed, even_flow
from mensa_sim.cost.stacks.planes import Plane, Read
from mensa_sim.records import dataclass

_Key = tuple[str | None, str | None, bool]
"""A tensor that a stack reads: its producer; the only reader of one laid out for it, and whether that is as weights."""


def _key(layer: str, read: Read) -> _Key:
    return read.producer, layer if read.producer is None or read.from_memory else None, read.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class TilingSize:
    """What a stack in tiles takes and moves, whatever it runs on."""

    layers: tuple[str, ...]
    """From the last to the first."""
    rows: int
    """Of the last layer in a tile."""
    tiles: int
    """Of one copy."""
    copies: int
    most_held_bits: int
    """What lies on chip at most while a layer runs."""
    read_bits: int
    """From memory, of activations: every row once."""
    written_bits: int


class Tiling:
    """Tiles of `rows` rows of the last layer, for several such sizes at once; layers join from the last to the first.

    `leaves` says of a layer whether others than the stack's read what it makes, or nobody does. What the tiles need is
    known for every first layer on the way, which is what a search for the best cut asks. All of it is of one copy.
    """

    def __init__(
        self, planes: Mapping[str, Plane], last: str, rows: Sequence[int], leaves: Callable[[str], bool]
    ) -> None:
        self._planes, self.leaves, self._last = planes, leaves, last
        self._cuts = Cuts(planes[last].rows, rows)
        self.copies = planes[last].copies
        self.layers: list[str] = []
        """From the last to the first."""
        self.flows: dict[str, Flow] = {}
        """Of what each layer makes."""
        self._needed: dict[_Key, Needed] = {}
        self._place: dict[str, int] = {}
        self._held: Ints = np.zeros((1, len(self._cuts.size)), dtype=np.int64)
        """[layer from the last to the first, tile] Bits of what the stack makes; rows for more layers lie ready."""
        self._written_bits = 0

    def __contains__(self, layer: str) -> bool:
        return layer in self._place

    def prepend(self, layer: str) -> bool:
        """Add the layer before those that are there; false where it cannot be in one stack with them.

        It cannot, either, where no tile needs any of it, as windows lie in padding alone.
        """
        plane = self._planes[layer]
        if plane.copies != self.copies or any(key[0] == layer and key[1] is not None for key in self._needed):
            return False
        needed = self._needed.get((layer, None, False))
        leaves = self.leaves(layer)  # its readers are there before it
        flow = self._sink(plane) if needed is None else needed.flow(plane.rows, plane.row_bits, whole=leaves)
        if not flow.stop.any():
            return False
        self._needed.pop((layer, None, False), None)
        self.flows[layer] = flow
        self._place[layer] = len(self.layers)
        self._written_bits += plane.size_bits if leaves else 0
        self.layers.append(layer)
        if len(self.layers) == len(self._held):
            # Those who join later find what lies there before the stack's first rows of a tile come.
            self._held = np.concatenate([self._held, np.repeat(self._held[-1:], len(self._held), axis=0)])
        if flow.readers:
            self._lie(self._held, flow, self._place[layer])
        for read in plane.reads:
            key = _key(layer, read)
            if key not in self._needed:
                self._needed[key] = Needed(read, self._cuts)
            self._needed[key].add(layer, read, flow)
        return True

    def supply(self, layer: str, read: Read) -> tuple[Flow, bool]:
        """The rows of what a layer of the stack reads, and whether the stack makes them itself."""
        needed = self._needed.get(_key(layer, read))
        return (self.flows[str(read.producer)], True) if needed is None else (needed.coming, False)

    def _sink(self, plane: Plane) -> Flow:
        """What nobody in the stack reads is made in even parts; the last layer's have the rows asked for."""
        cuts, tile = self._cuts, self._cuts.number + 1
        asked = plane.layer == self._last
        stop = tile * np.array(cuts.rows)[cuts.size] if asked else -(-plane.rows * tile // cuts.tiles[cuts.size])
        return even_flow(plane.rows, plane.row_bits, np.minimum(plane.rows, stop), cuts)

    def _lie(self, held: Ints, flow: Flow, come: int, where: Ints | Bools | int = 1) -> None:
        """Add what a tensor takes while each layer runs, in some tiles; it comes with the layer of that place."""
        last = self._place[flow.readers[-1]]
        held[:last] += flow.after_bits * where
        held[last : come + 1] += flow.within_bits * where
        held[come + 1 :] += flow.before_bits * where

    def held_bits(self) -> Ints:
        """[layer from the last to the first, tile] What lies on chip while a layer runs, its own rows included.

        Inputs that are read once, and weights, pass without lying there as rows; so do outputs that nobody in the
        stack reads.
        """
        held = self._held[: len(self.layers)].copy()
        for each in self._needed.values():
            flow = each.coming
            if flow.shared.any() and not each.read.weight:
                self._lie(held, flow, self._place[flow.readers[0]], flow.shared[self._cuts.size])
        return held

    @property
    def sizes(self) -> tuple[TilingSize, ...]:
        """What the layers that are there take and move, in tiles of each size."""
        cuts, layers = self._cuts, tuple(self.layers)
        inputs = [each.coming for each in self._needed.values() if not each.read.weight]
        read_bits = sum((flow.stop[cuts.last] * flow.row_bits for flow in inputs), np.zeros_like(cuts.tiles))
        held_bits = np.maximum.reduceat(self.held_bits().max(axis=0), cuts.first)
        each = zip(cuts.rows, cuts.tiles.tolist(), held_bits.tolist(), read_bits.tolist(), strict=True)
        return tuple(
            TilingSize(
                layers=layers,
                rows=rows,
                tiles=tiles,
                copies=self.copies,
                most_held_bits=held,
                read_bits=self.copies * read,
                written_bits=self._written_bits,
            )
            for rows, tiles, held, read in each
        )


def tiling_of(
    planes: Mapping[str, Plane], layers: Sequence[str], rows: Sequence[int], readers: Mapping[str, Collection[str]]
) -> Tiling | None:
    """A stack of layers, from the first to the last, in tiles of those sizes; none where they can be no stack."""
    inside = set(layers)

    def leaves(name: str) -> bool:
        return not readers[name] or any(reader not in inside for reader in readers[name])

    tiling = Tiling(planes, layers[-1], rows, leaves)
    return tiling if all(tiling.prepend(name) for name in reversed(layers)) else None
