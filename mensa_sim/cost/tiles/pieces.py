"""One layer cut into pieces along an axis: what each makes, and which part of every tensor it needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from mensa_sim.cost.stacks.planes import Plane, Read, is_matrix, read_axis, row_axis
from mensa_sim.cost.stacks.traffic import can_stack
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SplitAxis = Literal["rows", "channels", "groups"]
SPLIT_AXES: tuple[SplitAxis, ...] = get_args(SplitAxis)
"""Rows of the output; output channels; groups of channels or heads, each with inputs of its own."""

READ_BY_ALL: Mapping[SplitAxis, frozenset[Operand]] = {
    "rows": frozenset({"weight"}),
    "channels": frozenset({"input"}),
    "groups": frozenset(),
}
"""What all pieces along an axis read whole."""

Extent = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Rows and channels of a tensor: `channels` counts shares of what the axis has so many of."""

    rows: Extent
    of_rows: int
    channels: Extent = (0, 1)
    of_channels: int = 1

    def common_bytes(self, other: "Region", size_bytes: int) -> int:
        """Bytes that two regions of a tensor of that size have in common; parts of a cut add up to the whole."""
        low, high = max(self.rows[0], other.rows[0]), min(self.rows[1], other.rows[1])
        if high <= low:
            return 0
        by_rows = size_bytes * high // self.of_rows - size_bytes * low // self.of_rows
        # Channels as shares of one common count, since one layer may be cut otherwise than the one that reads it.
        whole = self.of_channels * other.of_channels
        starts = self.channels[0] * other.of_channels, other.channels[0] * self.of_channels
        stops = self.channels[1] * other.of_channels, other.channels[1] * self.of_channels
        first, last = max(starts), min(stops)
        return by_rows * last // whole - by_rows * first // whole if last > first else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a layer, without what it reads."""

    layer: Layer
    """Its input bytes are those of the whole."""
    made: Region
    axis: SplitAxis | None
    """None: the whole layer."""


def axis_size(layer: Layer, plane: Plane, axis: SplitAxis) -> int:
    """How many parts a layer can be cut into along an axis, at most; 1 where it cannot."""
    if not can_stack(layer) or layer.mappings or layer.state_bytes:
        return 1
    loops = layer.nest or layer.window
    if axis == "rows":
        return plane.rows if plane.reads else 1
    if loops is None or layer.output_channels is not None:
        return 1
    if axis == "groups":
        return loops.G
    return loops.K if layer.nest is not None and loops.G == 1 else 1


def piece_name(layer: str, number: int) -> str:
    """The name of a piece, counted from 1.

    >>> piece_name("conv1", 2)
    'conv1#2'
    """
    return f"{layer}#{number}"


def whole_piece(layer: Layer, plane: Plane) -> Piece:
    """A layer that is not cut."""
    return Piece(layer=layer, made=Region(rows=(0, plane.rows), of_rows=plane.rows), axis=None)


def pieces_of(layer: Layer, plane: Plane, axis: SplitAxis, sizes: Sequence[int]) -> list[Piece]:
    """The pieces of a layer whose parts along an axis are so large; their sum is the axis's size."""
    whole = axis_size(layer, plane, axis)
    if sum(sizes) != whole or min(sizes) < 1:
        raise ValueError(f"{layer.name}: {list(sizes)} {axis} are not its {whole}")
    found = []
    for number, span in enumerate(_spans(sizes), start=1):
        small = _rows_of(layer, plane, span) if axis == "rows" else _channels_of(layer, axis, span, whole)
        rows = span if axis == "rows" else (0, plane.rows)
        made = Region(rows=rows, of_rows=plane.rows)
        if axis != "rows":
            made = replace(made, channels=span, of_channels=whole)
        small = replace(
            small,
            name=piece_name(layer.name, number),
            vector_ops=_share(layer.vector_ops, span, whole),
            summed_elements=_share(layer.summed_elements, span, whole),
            slices=_share(layer.slices, span, whole),
            prompts=layer.prompts if number == 1 else 0,
            output_bytes=_share(layer.output_bytes, span, whole),
            model_output_bytes=_share(layer.model_output_bytes, span, whole),
        )
        found.append(Piece(layer=small, made=made, axis=axis))
    return found


def _spans(sizes: Sequence[int]) -> Iterator[Extent]:
    begin = 0
    for size in sizes:
        yield begin, begin + size
        begin += size


def _share(total: int, span: Extent, whole: int) -> int:
    return total * span[1] // whole - total * span[0] // whole


def _rows_of(layer: Layer, plane: Plane, span: Extent) -> Layer:
    """The layer for some of its rows; its window's padding is taken to lie as evenly as that of the whole."""

    def cut(loops: LoopNest) -> LoopNest:
        made, size = span[1] - span[0], row_axis(loops).size
        main = next((read for read in plane.reads if read.axis == read_axis(layer, loops) and not read.weight), None)
        if main is not None:
            low, high = needed_rows(main, span)
            size = max(1, min(size, (high - low) * main.block))
        return replace(
            loops, **({"OX": made, "input_width": size} if is_matrix(loops) else {"OY": made, "input_height": size})
        )

    return replace(
        layer,
        nest=None if layer.nest is None else cut(layer.nest),
        window=None if layer.window is None else cut(layer.window),
    )


def _channels_of(layer: Layer, axis: SplitAxis, span: Extent, whole: int) -> Layer:
    """The layer for some of its output channels or groups, with the parameters of those alone."""
    dims = {"K" if axis == "channels" else "G": span[1] - span[0]}
    return replace(
        layer,
        nest=None if layer.nest is None else replace(layer.nest, **dims),
        window=None if layer.window is None else replace(layer.window, **dims),
        parameters=tuple(
            Parameter(name=f"{each.name}[{span[0]}:{span[1]}]", size_bytes=_share(each.size_bytes, span, whole))
            for each in layer.parameters
        ),
    )


@lru_cache(maxsize=4096)
def needed_rows(read: Read, span: Extent) -> Extent:
    """The rows of a tensor that some rows of its reader need."""
    low, high = read.needs(np.array([span[0]]), np.array([span[1]]))
    first, last = int(low[0]), int(high[0])
    return (first, last) if last > first else (0, 0)


def needed(piece: Piece, read: Read, made: Plane | None) -> Region:
    """The part of a tensor that a piece reads; `made` is the plane of the layer that makes it, none: it enters."""
    rows = read.rows if made is None else made.rows
    whole = Region(rows=(0, rows), of_rows=rows)
    if piece.axis is None:
        return whole
    if piece.axis == "rows":
        return (
            replace(whole, rows=needed_rows(read, piece.made.rows))
            if read.axis is not None and read.rows == rows
            else whole
        )
    if piece.axis == "groups" or read.weight:
        return replace(whole, channels=piece.made.channels, of_channels=piece.made.of_channels)
    return whole
