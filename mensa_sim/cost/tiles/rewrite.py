"""A layer graph with some layers cut into pieces: what each piece reads of each, halos included."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.stacks.planes import Plane, Read, planes_of
from mensa_sim.cost.tiles.pieces import READ_BY_ALL, Piece, SplitAxis, needed, pieces_of, whole_piece
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How one layer is cut: along which axis, and how large each part is."""

    axis: SplitAxis
    sizes: tuple[int, ...]
    together: bool = True
    """Whether the pieces run at the same time, so that what all read can be read once and the next wait for all."""


def cut_graph(graph: LayerGraph, cuts: Mapping[str, Cut]) -> LayerGraph:
    """The graph with those layers in pieces; MACs and parameters add up to what they were.

    Halos are what rows of two pieces both need: each piece's edges say what it reads. Where pieces share an operand,
    their readers wait for all of them, whatever they read.
    """
    planes, apart = planes_of(graph), {(edge.producer, edge.consumer) for edge in graph.edges if edge.whole}
    pieces: dict[str, list[Piece]] = {}
    for layer in graph.layers:
        cut, plane = cuts.get(layer.name), planes[layer.name]
        pieces[layer.name] = (
            [whole_piece(layer, plane)] if cut is None else pieces_of(layer, plane, cut.axis, cut.sizes)
        )
    edges: dict[tuple[str, str], int] = {}
    whole: set[tuple[str, str]] = set()
    layers: list[Layer] = []
    for layer in graph.layers:
        for piece in pieces[layer.name]:
            read_bytes = 0
            for name in graph.predecessors(layer.name):
                for producer, size_bytes in _read(graph, planes, pieces, name, piece, layer):
                    edges[producer, piece.layer.name] = size_bytes
                    whole |= {(producer, piece.layer.name)} if (name, layer.name) in apart else set()
                    read_bytes += size_bytes
            layers.append(_reading(graph, planes[layer.name], piece, layer, read_bytes))
        for name in graph.predecessors(layer.name):
            cut = cuts.get(name)
            if cut is not None and cut.together and READ_BY_ALL[cut.axis]:
                for source in pieces[name]:
                    for piece in pieces[layer.name]:
                        edges.setdefault((source.layer.name, piece.layer.name), 0)
    return LayerGraph(
        name=graph.name,
        layers=tuple(layers),
        edges=tuple(
            Edge(producer=ends[0], consumer=ends[1], size_bytes=size, whole=ends in whole)
            for ends, size in edges.items()
        ),
        coverage=graph.coverage,
    )


def with_reads(graph: LayerGraph, planes: Mapping[str, Plane], piece: Piece, layer: Layer) -> Piece:
    """The piece with the bytes that it reads, which are the same however its producers are cut."""
    whole = {name: [whole_piece(graph[name], planes[name])] for name in graph.predecessors(layer.name)}
    read_bytes = sum(size for name in whole for _, size in _read(graph, planes, whole, name, piece, layer))
    return replace(piece, layer=_reading(graph, planes[layer.name], piece, layer, read_bytes))


def _read(
    graph: LayerGraph,
    planes: Mapping[str, Plane],
    pieces: Mapping[str, Sequence[Piece]],
    producer: str,
    piece: Piece,
    layer: Layer,
) -> list[tuple[str, int]]:
    """What a piece reads of each piece of a producer; nothing is an order of execution where the whole edge is one."""
    total = graph.edge_bytes(producer, layer.name)
    if not total:
        return [(source.layer.name, 0) for source in pieces[producer]]
    reads = [read for read in planes[layer.name].reads if read.producer == producer]
    found: dict[str, int] = {}
    for read in reads or [_all_of(producer, planes[producer])]:
        size_bytes = total if len(reads) < 2 else _bytes_of(read, planes[layer.name])
        region = needed(piece, read, planes[producer])
        for source in pieces[producer]:
            common = region.common_bytes(source.made, size_bytes)
            if common:
                found[source.layer.name] = found.get(source.layer.name, 0) + common
    return list(found.items())


def _all_of(producer: str, plane: Plane) -> Read:
    return Read(producer=producer, rows=plane.rows, row_bits=plane.row_bits)


def _bytes_of(read: Read, plane: Plane) -> int:
    """Of all copies, where a layer reads one tensor in two ways."""
    return read.rows * read.row_bits * plane.copies // BITS_PER_BYTE


def _reading(graph: LayerGraph, plane: Plane, piece: Piece, layer: Layer, read_bytes: int) -> Layer:
    """The piece's layer with the bytes that it reads: over edges, from outside the model, and all else as its share."""
    if piece.axis is None:
        return layer
    outside = next((read for read in plane.reads if read.producer is None), None)
    enters = layer.model_input_bytes
    if enters and outside is not None:
        region = needed(piece, outside, None)
        enters = region.common_bytes(replace(region, rows=(0, region.of_rows), channels=(0, 1), of_channels=1), enters)
    inside = sum(graph.edge_bytes(name, layer.name) for name in graph.predecessors(layer.name))
    rest = max(0, layer.input_bytes - inside - layer.model_input_bytes)
    return replace(piece.layer, input_bytes=read_bytes + enters + rest, model_input_bytes=enters)
