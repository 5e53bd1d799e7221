"""Pipelines: layers in tiles of rows that go from accelerator to accelerator as soon as they are made."""

from collections.abc import Mapping

from mensa_sim.cost.stacks.planes import Plane, planes_of
from mensa_sim.cost.tiles.pieces import axis_size
from mensa_sim.schedule.data_plan import Split, SplitPart
from mensa_sim.schedule.tiles.choose import even_sizes
from mensa_sim.workload.graph import LayerGraph

TILE_COUNTS = (2, 4, 8)
"""Tiles that a pipeline's layers are cut into: a choice."""


def pipelined(graph: LayerGraph, assignment: Mapping[str, str], tiles: int) -> list[Split]:
    """The layers that read, row by row, what another accelerator makes, and those that make it, in so many tiles.

    Of those that have a place in the assignment.
    """
    planes = planes_of(graph)
    long = (layer.name for layer in graph.layers if axis_size(layer, planes[layer.name], "rows") >= tiles)
    able = {name for name in long if name in assignment}
    chosen: set[str] = set()
    for layer in graph.layers:
        for name in _read_by_row(planes[layer.name], planes):
            if {name, layer.name} <= able and assignment[name] != assignment[layer.name]:
                chosen |= {name, layer.name}
    return [
        _split(layer.name, planes[layer.name].rows, assignment[layer.name], tiles)
        for layer in graph.layers
        if layer.name in chosen
    ]


def _read_by_row(plane: Plane, planes: Mapping[str, Plane]) -> list[str]:
    reads = (read for read in plane.reads if read.in_rows and not read.from_memory)
    return [read.producer for read in reads if read.producer is not None and planes[read.producer].rows == read.rows]


def _split(layer: str, rows: int, accelerator: str, tiles: int) -> Split:
    parts = tuple(SplitPart(accelerator=accelerator, size=size) for size in even_sizes(rows, tiles))
    return Split(layer=layer, axis="rows", parts=parts, together=False)
