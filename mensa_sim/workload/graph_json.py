"""A layer graph as plain data and back, exactly: what the cache keeps."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from mensa_sim.workload.graph import Coverage, Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def graph_to_data(graph: LayerGraph) -> dict[str, Any]:
    """Plain data that holds the whole graph; fields at their defaults are left out."""
    return {
        "name": graph.name,
        "layers": [_layer_to_data(layer) for layer in graph.layers],
        "edges": [[edge.producer, edge.consumer, edge.size_bytes] for edge in graph.edges],
        "coverage": asdict(graph.coverage),
    }


def graph_from_data(data: Mapping[str, Any]) -> LayerGraph:
    """The graph that `graph_to_data` wrote; a `ValueError`, `TypeError` or `KeyError` where it did not."""
    coverage: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data["coverage"].items()
    }
    return LayerGraph(
        name=data["name"],
        layers=tuple(_layer_from_data(layer) for layer in data["layers"]),
        edges=tuple(Edge(producer=p, consumer=c, size_bytes=size) for p, c, size in data["edges"]),
        coverage=Coverage(**coverage),
    )


def _layer_to_data(layer: Layer) -> dict[str, Any]:
    data = _without_defaults(layer)
    for loops in ("nest", "window"):
        if loops in data:
            data[loops] = _without_defaults(data[loops])
    if layer.parameters:
        data["parameters"] = [[parameter.name, parameter.size_bytes] for parameter in layer.parameters]
    if layer.fused:
        data["fused"] = list(layer.fused)
    return data


def _layer_from_data(data: Mapping[str, Any]) -> Layer:
    values = dict(data)
    for loops in ("nest", "window"):
        if loops in values:
            values[loops] = LoopNest(**values[loops])
    if "parameters" in values:
        values["parameters"] = tuple(Parameter(name=n, size_bytes=size) for n, size in values["parameters"])
    if "fused" in values:
        values["fused"] = tuple(values["fused"])
    return Layer(**values)


def _without_defaults(record: Layer | LoopNest) -> dict[str, Any]:
    values = ((field, getattr(record, field.name)) for field in fields(record))
    return {field.name: value for field, value in values if field.default is MISSING or value != field.default}
