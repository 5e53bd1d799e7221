"""The tiles of one layer of a stack as layers of their own: what the mapper is asked to price."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mensa_sim.arrays import Ints
from mensa_sim.cost.counts.axis import WindowAxis
from mensa_sim.cost.counts.window import axis_histogram, window_of
from mensa_sim.cost.stacks.flow import Flow
from mensa_sim.cost.stacks.planes import Plane, Read, copies_of, is_matrix, read_axis, row_axis
from mensa_sim.cost.stacks.tiling import Tiling, TilingSize
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.layer import Layer, LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Tiles of a layer that cost the same."""

    layer: Layer
    """One of them."""
    times: int
    """How many there are in each copy."""
    others_bits: int
    """What lies in the level of the activations beside their own rows, at most."""
    reads: bool
    """Whether their window reads anything: it may lie in padding alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTiles:
    """A stack in tiles of one size, whatever it runs on."""

    size: TilingSize
    layers: "tuple[LayerTiles, ...]"
    """In order."""


def stack_tiles(tiling: Tiling, layers: Mapping[str, Layer], planes: Mapping[str, Plane]) -> StackTiles:
    """What each layer does in a tiling of one size."""
    (size,), held = tiling.sizes, tiling.held_bits()
    names = list(enumerate(tiling.layers))[::-1]
    each = (LayerTiles(layers[name], planes[name], tiling, held[place]) for place, name in names)
    return StackTiles(size=size, layers=tuple(each))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Supply:
    """A tensor that the layer reads, and where its rows come from."""

    read: Read
    flow: Flow
    inside: bool
    """Whether the stack makes it."""

    @property
    def lies(self) -> bool:
        """Whether its rows lie on chip before the layer begins."""
        return self.inside or (bool(self.flow.shared.any()) and not self.read.weight)

    @property
    def passes(self) -> bool:
        """Whether its rows come for this layer alone, each for one tile."""
        return len(self.flow.readers) == 1 and not self.lies


class LayerTiles:
    """What a layer of a stack does in each tile, where all of them are of one size."""

    def __init__(self, layer: Layer, plane: Plane, tiling: Tiling, held_bits: Ints) -> None:
        """`held_bits` is what lies on chip while the layer runs, [tile]."""
        self.layer = layer
        self._plane, self._flow = plane, tiling.flows[layer.name]
        supplies = ((read, *tiling.supply(layer.name, read)) for read in plane.reads)
        self._sources = [_Supply(read=read, flow=flow, inside=inside) for read, flow, inside in supplies]
        activations = [source for source in self._sources if not source.read.weight]
        axis = None if layer.nest is None else read_axis(layer, layer.nest)
        self._main = next((source for source in activations if axis and source.read.axis == axis), None)
        alone = len(activations) == 1 and activations[0] is self._main and self._main.passes
        self.streams = alone and _reads_all(activations[0].read, layer)
        """Whether the mapper itself brings the input from memory: all of the rows, which nobody else reads."""
        self.stores_bits = plane.size_bits if tiling.leaves(layer.name) and self.output_stays else 0
        """What it makes for others beside the stack's layers, and the mapper does not bring to memory."""
        self.tiles = () if layer.nest is None else tuple(self._kinds(layer.nest, held_bits))
        """Those that differ; of a layer without a nest none."""

    @property
    def output_stays(self) -> bool:
        """Whether another layer of the stack reads what it makes."""
        return bool(self._flow.readers)

    @property
    def loads_bits(self) -> int:
        """Of one copy, what comes from memory with this layer, beside what the mapper brings."""
        if self.streams:
            return 0
        outside = (s for s in self._sources if not s.inside and not s.read.weight)
        first = (source.flow for source in outside if source.flow.readers[:1] == (self.layer.name,))
        return sum(int(flow.come.sum()) * flow.row_bits for flow in first)

    def _kinds(self, nest: LoopNest, held_bits: Ints) -> Iterator[Tile]:
        made = self._flow.come
        kinds, kind = np.unique(np.stack([made, *self._rows_read(nest)]), axis=1, return_inverse=True)
        for place, (rows, lying, size) in enumerate(kinds.T.tolist()):
            if not rows:
                continue
            layer, alike = self._tile(nest, rows, size), kind.ravel() == place
            own = rows * self._flow.row_bits if self.output_stays else 0
            if self._main is not None and self._main.lies:
                row_bits = nest.input_elements // row_axis(nest).size * self.layer.element_bits("input")
                own += min(lying * self._main.flow.row_bits, size * row_bits // self._plane.copies)
            others = max(0, int(held_bits[alike].max()) - own)
            yield Tile(layer=layer, times=int(alike.sum()), others_bits=others, reads=self._main is None or size > 0)

    def _rows_read(self, nest: LoopNest) -> tuple[Ints, Ints]:
        """[tile] Rows of the tensor under the window that lie there, and those of the window's input that are read."""
        start, stop = self._flow.start, self._flow.stop
        axis = row_axis(nest)
        if self._main is None:
            return np.zeros_like(start), np.full_like(start, axis.size)
        low, high = self._main.read.needs(start, stop)
        as_read = replace(self._main.read, rows=axis.size, whole=False, block=1)
        read = as_read.times(start, stop, np.arange(len(start))).sum(axis=1)
        return np.maximum(0, high - low), read

    def _tile(self, nest: LoopNest, made: int, read: int) -> Layer:
        """Padding lies as evenly on both sides of a tile as it does on both sides of the whole."""
        layer, copies = self.layer, self._plane.copies
        size = _height(row_axis(nest)._replace(outputs=made), read)
        rows = {"OX": made, "input_width": size} if is_matrix(nest) else {"OY": made, "input_height": size}
        by_head = copies_of(layer, nest) > nest.B
        tile = replace(nest, **rows, B=1, G=1 if by_head else nest.G)
        extra = sum(self._extra_bits(source, made) for source in self._sources if source is not self._main)
        share = self._plane.rows * copies
        bits = tile.input_elements * layer.element_bits("input")
        return replace(
            layer,
            nest=tile,
            vector_ops=-(-layer.vector_ops * made // share),
            summed_elements=layer.summed_elements * made // share,
            input_bytes=bits_to_bytes(bits + extra),
            output_bytes=bits_to_bytes(made * self._plane.row_bits),
        )

    def _extra_bits(self, source: _Supply, made: int) -> int:
        """What a tile reads of a tensor beside the window's."""
        rows = min(made, source.read.rows) if source.read.in_rows else source.read.rows
        return rows * source.read.row_bits


def _reads_all(read: Read, layer: Layer) -> bool:
    """Whether a nest leaves out nothing of the rows between those that a tile reads, which come whole."""
    if layer.nest is None or layer.further_rows or read.block > 1 or read.skips or not read.in_rows:
        return False
    window = window_of(layer.nest)
    across = window.y if is_matrix(layer.nest) else window.x
    return _inside(across) == across.size


def _inside(axis: WindowAxis) -> int:
    """Positions of the input that all outputs and taps of a window read."""
    return axis_histogram(axis, axis.outputs, axis.taps).first


@lru_cache(maxsize=4096)
def _height(axis: WindowAxis, read: int) -> int:
    """The rows of an input of which a window reads so many, with padding on both sides; 1 where it reads none.

    A window that leaves rows out reads fewer than lie between the first and the last of them.
    """
    heights = range(max(1, read), max(read, axis.span(axis.outputs, axis.taps)) + 1)
    found = (
        size for size in heights if axis_histogram(axis._replace(size=size), axis.outputs, axis.taps).first == read
    )
    return next(found, max(1, read))
