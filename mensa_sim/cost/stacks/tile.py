"""The tiles of one layer of a stack as layers of their own: what the mapper is asked to price."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from mensa_sim.arrays import Ints
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
        self.streams = len(activations) == 1 and activations[0] is self._main and not self._main.lies
        """Whether the mapper itself brings the input from memory, since nobody else reads its rows."""
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
        first = (source.flow for source in outside if source.flow.readers[0] == self.layer.name)
        return sum(int(flow.come.sum()) * flow.row_bits for flow in first)

    def _kinds(self, nest: LoopNest, held_bits: Ints) -> Iterator[Tile]:
        made = self._flow.come
        read = self._rows_read()
        own = made * self._flow.row_bits if self.output_stays else np.zeros_like(made)
        if self._main is not None and self._main.lies:
            own = own + read * self._main.flow.row_bits
        others = np.maximum(0, held_bits - own)
        kinds = np.unique(np.stack([made, read])[:, made > 0], axis=1)
        for rows, rows_read in kinds.T.tolist():
            alike = (made == rows) & (read == rows_read)
            layer = self._tile(nest, rows, rows_read)
            yield Tile(layer=layer, times=int(alike.sum()), others_bits=int(others[alike].max()))

    def _rows_read(self) -> Ints:
        """[tile] Rows of the tensor under the window."""
        if self._main is None:
            return np.zeros_like(self._flow.come)
        low, high = self._main.read.needs(self._flow.start, self._flow.stop)
        found: Ints = np.maximum(0, high - low)
        return found

    def _tile(self, nest: LoopNest, made: int, read: int) -> Layer:
        """Padding lies as evenly on both sides of a tile as it does on both sides of the whole."""
        layer, copies = self.layer, self._plane.copies
        size = row_axis(nest).size
        if self._main is not None:
            size = max(1, min(size, read * self._main.read.block))
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
        rows = source.read.rows if source.read.axis is None else min(made, source.read.rows)
        return rows * source.read.row_bits
