"""Layers that are alike, as those of equal blocks are: stacks of alike layers take and cost the same."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import replace

from mensa_sim.cost.prices.memo import shape_of
from mensa_sim.cost.stacks.planes import Plane
from mensa_sim.workload.graph import LayerGraph


def alike_layers(
    graph: LayerGraph, planes: Mapping[str, Plane], readers: Mapping[str, Collection[str]]
) -> Mapping[str, int]:
    """A number for each layer, the same for those that differ in names alone.

    Theirs and those of who they read and who reads them, at equal distances in the graph's order; "" is no layer.
    """
    place = {layer.name: index for index, layer in enumerate(graph.layers)}
    numbers: dict[Hashable, int] = {}

    def number(name: str) -> int:
        plane = planes[name]
        bare = replace(plane, layer="", reads=tuple(replace(read, producer=None) for read in plane.reads))
        read = [None if each.producer is None else place[name] - place[each.producer] for each in plane.reads]
        reading = sorted(place[each] - place[name] if each else 0 for each in readers[name])
        return numbers.setdefault((shape_of(graph[name]), bare, tuple(read), tuple(reading)), len(numbers))

    return {layer.name: number(layer.name) for layer in graph.layers}
