"""What each layer of a graph makes, as rows: what a tile of it is, and which rows of its inputs a row needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mensa_sim.arrays import Bools, Ints
from mensa_sim.cost.counts.axis import WindowAxis
from mensa_sim.cost.counts.window import window_of
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest
from mensa_sim.workload.operators.elementwise import OPERATIONS_PER_ELEMENT

Supplied = tuple[str | None, int]
"""The layer that makes a tensor, none for one that enters the model, and the bits of it that are read."""

WITHIN_ROWS = frozenset({*OPERATIONS_PER_ELEMENT, "copy", "softmax", "log_softmax", "layer_norm", "rms_norm"})
"""Operators without a window that make a row from the same row of what they read: elementwise ones, channels put side
by side, and what goes over the channels of one place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """How the rows of a layer read those of one tensor."""

    producer: str | None
    """The layer that makes it; none: it enters the model."""
    rows: int
    """Of the tensor, as its producer counts them."""
    row_bits: int
    axis: WindowAxis | None = None
    """The window over its rows; none: every row of the layer needs the whole tensor."""
    whole: bool = False
    """Whether it lies in other rows than the window's: then who reads any of it needs all."""
    block: int = 1
    """Rows of the window's input that lie in one row of the tensor (a transposed convolution makes several at once)."""
    from_memory: bool = False
    """Whether it must lie in memory: its producer lays it out in other rows, or it is multiplied with like weights."""
    weight: bool = False
    """Whether it is the weight operand of a product of two activations, which the mapper fetches."""

    @property
    def in_rows(self) -> bool:
        """Whether a row of the layer needs only some rows of the tensor."""
        return self.axis is not None and not self.whole

    @property
    def skips(self) -> bool:
        """Whether the window may leave out rows between those that it reads."""
        return self.axis is not None and self.in_rows and (self.axis.dilation > 1 or self.axis.stride > self.axis.taps)

    def needs(self, start: Ints, stop: Ints) -> tuple[Ints, Ints]:
        """The first row, and the one behind the last, that rows `start` to `stop` of the layer read; none: (rows, 0).

        All arrays are [tile].
        """
        some = stop > start
        first, last = np.full_like(start, self.rows), np.zeros_like(stop)
        if self.axis is None:
            first[some], last[some] = 0, self.rows
        elif some.any():
            low, high = _spans(self.axis)
            # `reduceat` goes from each index to the next: every other one is from a start to its stop.
            ends = np.empty(2 * int(some.sum()), dtype=np.int64)
            ends[::2], ends[1::2] = start[some], stop[some]
            first[some] = np.minimum.reduceat(low, ends)[::2] // self.block
            last[some] = -(-np.maximum.reduceat(high, ends)[::2] // self.block)
        nothing = last <= first
        if self.whole:
            first, last = np.zeros_like(first), np.full_like(last, self.rows)
        first[nothing], last[nothing] = self.rows, 0
        return first, last

    def times(self, start: Ints, stop: Ints, first: Ints) -> Ints:
        """[cut, row] In how many tiles of some cuts, which begin with those of `first`, each row is read."""
        found = np.zeros((len(first), self.rows + 1), dtype=np.int64)
        if self.axis is not None and self.skips:
            return np.add.reduceat(self._touches(self.axis, start, stop), first, axis=0, dtype=np.int64)
        low, high = self.needs(start, stop)
        cut = np.repeat(np.arange(len(first)), np.diff(first, append=len(start)))
        some = high > low
        np.add.at(found, (cut[some], low[some]), 1)
        np.add.at(found, (cut[some], high[some]), -1)
        return np.cumsum(found[:, :-1], axis=1)

    def _touches(self, axis: WindowAxis, start: Ints, stop: Ints) -> Bools:
        """[tile, row] Whether rows `start` to `stop` of the layer read a row under the window."""
        found = np.zeros((len(start), self.rows), dtype=bool)
        made = np.maximum(0, stop - start)
        tile = np.repeat(np.arange(len(start)), made)
        # Numbered over all tiles, less those of the tiles before: [row of the layer] in its own tile.
        output = np.arange(made.sum()) - np.repeat(np.cumsum(made) - made, made) + start[tile]
        for tap in range(axis.taps):
            position = axis.stride * output + axis.dilation * tap - axis.padding
            inside = (position >= 0) & (position < axis.size)
            found[tile[inside], position[inside] // self.block] = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """What one layer makes: so many rows, in each of several copies that are made one after the other.

    Copies are the images of a batch, and the heads of products of two activations.
    """

    layer: str
    rows: int
    columns: int
    """1 where the columns are not known, or are what the rows count (a matrix product)."""
    row_bits: int
    """Of all channels and columns."""
    copies: int = 1
    reads: tuple[Read, ...] = ()

    @property
    def size_bits(self) -> int:
        """Of all copies."""
        return self.copies * self.rows * self.row_bits


@lru_cache(maxsize=4096)
def _spans(axis: WindowAxis) -> tuple[Ints, Ints]:
    """[output] The first position that each output reads, and the one behind the last; (size, 0) for padding alone.

    One output more than there are stands at the end, so that an index may stop there.
    """
    output, tap = np.arange(axis.outputs + 1)[:, None], np.arange(axis.taps)[None, :]
    position = axis.stride * output + axis.dilation * tap - axis.padding
    inside = (position >= 0) & (position < axis.size)
    return np.where(inside, position, axis.size).min(axis=1), np.where(inside, position + 1, 0).max(axis=1)


def planes_of(graph: LayerGraph) -> Mapping[str, Plane]:
    """The plane of every layer of a graph, in topological order.

    A tensor whose rows are not those that its reader's window counts (it was reshaped on the way), one that is
    broadcast, and one whose rows come in another order or are all gone over for each, is read whole. A layer of which
    nothing is known makes a single row of all that it reads.
    """
    planes: dict[str, Plane] = {}
    whole = {(edge.producer, edge.consumer) for edge in graph.edges if edge.whole}
    for layer in graph.layers:
        sources: list[Supplied] = [
            (name, graph.edge_bytes(name, layer.name) * BITS_PER_BYTE) for name in graph.predecessors(layer.name)
        ]
        if layer.model_input_bytes:
            sources.append((None, layer.model_input_bytes * BITS_PER_BYTE))
        plane = _plane(layer, sources, planes)
        reads = (replace(r, whole=True) if (r.producer, layer.name) in whole else r for r in plane.reads)
        planes[layer.name] = replace(plane, reads=tuple(reads))
    return planes


def is_matrix(loops: LoopNest) -> bool:
    """Whether there is one row, so that columns are what a tile has some of."""
    return (loops.OY, loops.FY, loops.input_height) == (1, 1, 1)


def row_axis(loops: LoopNest) -> WindowAxis:
    """The window over the rows of a nest's input: over its columns where there is only one row."""
    window = window_of(loops)
    return window.x if is_matrix(loops) else window.y


def read_axis(layer: Layer, loops: LoopNest) -> WindowAxis:
    """The window over the rows that a row of the layer needs: of a transposed convolution all that add to its block."""
    axis = row_axis(loops)
    return axis._replace(taps=axis.taps + layer.further_rows) if layer.further_rows else axis


def copies_of(layer: Layer, loops: LoopNest) -> int:
    """Parts of a nest that have nothing in common but parameters, or not even those."""
    return loops.B * (loops.G if layer.weights_are_activations and is_matrix(loops) else 1)


def _plane(layer: Layer, sources: Sequence[Supplied], planes: Mapping[str, Plane]) -> Plane:
    loops, made_bits = layer.nest or layer.window, layer.output_bytes * BITS_PER_BYTE
    if loops is not None and layer.steps == 1:
        axis, copies = read_axis(layer, loops), copies_of(layer, loops)
        plane = _rows_of(layer, axis.outputs, 1 if is_matrix(loops) else loops.OX, copies, made_bits)
        if plane is not None:
            return replace(plane, reads=tuple(_window_reads(layer, loops, plane, sources, planes)))
    like = _like(layer, sources, planes)
    plane = None if like is None else _rows_of(layer, like.rows, like.columns, like.copies, made_bits)
    if plane is not None:
        return replace(plane, reads=tuple([_same_rows(plane, source, planes) for source in sources]))
    plane = Plane(layer=layer.name, rows=1, columns=1, row_bits=made_bits)
    return replace(plane, reads=tuple([_whole(plane, source, planes) for source in sources]))


def _rows_of(layer: Layer, rows: int, columns: int, copies: int, made_bits: int) -> Plane | None:
    """The plane of so many rows, if what is made divides into them."""
    row_bits, rest = divmod(made_bits, rows * copies)
    return None if rest else Plane(layer=layer.name, rows=rows, columns=columns, row_bits=row_bits, copies=copies)


def _window_reads(
    layer: Layer, loops: LoopNest, plane: Plane, sources: Sequence[Supplied], planes: Mapping[str, Plane]
) -> Iterable[Read]:
    """The first tensor of the size of the nest's input moves under the window.

    Of the others, the weight operand comes from memory, and what has the output's size is added row by row.
    """
    axis = read_axis(layer, loops)
    window_bits = loops.input_elements * layer.element_bits("input")
    weight_bits = layer.weight_bytes * BITS_PER_BYTE if layer.weights_are_activations else 0
    moved = False
    for name, bits in _parted(sources, window_bits, weight_bits):
        if not moved and bits == window_bits and bits % (axis.size * plane.copies) == 0:
            moved = True
            yield _moved(axis, plane, (name, bits), planes)
        elif bits == weight_bits:
            yield Read(producer=name, rows=1, row_bits=bits // plane.copies, from_memory=True, weight=True)
        else:
            yield _same_rows(plane, (name, bits), planes)


def _parted(sources: Sequence[Supplied], window_bits: int, weight_bits: int) -> Iterable[Supplied]:
    """The sources, with both operands of a product as two where one tensor, or the model's inputs, holds both."""
    for name, bits in sources:
        if weight_bits and bits == window_bits + weight_bits:
            yield name, window_bits
            yield name, weight_bits
        else:
            yield name, bits


def _moved(axis: WindowAxis, plane: Plane, source: Supplied, planes: Mapping[str, Plane]) -> Read:
    """The tensor under the window: as its producer's rows where those are the window's, else as the window counts."""
    name, bits = source
    made = None if name is None else planes[name]
    if made is not None and made.copies == plane.copies:
        if made.size_bits == bits and axis.size % made.rows == 0 and (made.rows > 1 or axis.size == 1):
            return Read(producer=name, rows=made.rows, row_bits=made.row_bits, axis=axis, block=axis.size // made.rows)
        return replace(_whole(plane, source, planes), axis=axis, whole=True)
    row_bits = bits // (axis.size * plane.copies)
    return Read(producer=name, rows=axis.size, row_bits=row_bits, axis=axis, from_memory=made is not None)


def _like(layer: Layer, sources: Sequence[Supplied], planes: Mapping[str, Plane]) -> Plane | None:
    """The plane that a layer without a window goes along: that of its largest input, where it works within rows."""
    made = [(bits, planes[name]) for name, bits in sources if name is not None]
    if layer.operator not in WITHIN_ROWS or layer.steps > 1 or not made:
        return None
    bits, plane = max(made, key=lambda each: each[0])
    return plane if bits == plane.size_bits else None


def _same_rows(plane: Plane, source: Supplied, planes: Mapping[str, Plane]) -> Read:
    """Row by row where the tensor has the rows, columns and copies of the plane; else whole."""
    name, bits = source
    made = None if name is None else planes[name]
    if (
        made is not None
        and (made.rows, made.columns, made.copies) == (plane.rows, plane.columns, plane.copies)
        and bits == made.size_bits
    ):
        axis = WindowAxis(outputs=made.rows, taps=1, stride=1, dilation=1, size=made.rows)
        return Read(producer=name, rows=made.rows, row_bits=made.row_bits, axis=axis)
    return _whole(plane, source, planes)


def _whole(plane: Plane, source: Supplied, planes: Mapping[str, Plane]) -> Read:
    """The whole tensor for every row; in other copies than the reader's, from memory, each its part."""
    name, bits = source
    made = None if name is None else planes[name]
    if made is not None and made.copies == plane.copies and bits == made.size_bits:
        return Read(producer=name, rows=made.rows, row_bits=made.row_bits)
    return Read(producer=name, rows=1, row_bits=-(-bits // plane.copies), from_memory=made is not None)
