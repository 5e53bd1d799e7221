"""A layer graph as plain data and back, exactly, and the cache that keeps it while all it came from is unchanged.

An entry's name tells what is known before the model is built: the workload file, the model's own file, our tracing
code, Python, torch, onnx and tflite. Inside it stand the modules that building it imported, each with the digest that
it had; an entry whose modules have changed is not used.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from mensa_sim.io.store import Store, cache_folder, digest_of, file_digest
from mensa_sim.workload.graph import Coverage, Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def graph_to_data(graph: LayerGraph) -> dict[str, Any]:
    """Plain data that holds the whole graph; fields at their defaults are left out."""
    return {
        "name": graph.name,
        "layers": [_layer_to_data(layer) for layer in graph.layers],
        "edges": [[e.producer, e.consumer, e.size_bytes, *([True] if e.whole else [])] for e in graph.edges],
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
        edges=tuple(
            Edge(producer=p, consumer=c, size_bytes=size, whole=bool(whole)) for p, c, size, *whole in data["edges"]
        ),
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


def cached_graph(
    inputs: Iterable[Path], where: Iterable[str], build: Callable[[], tuple[LayerGraph, Iterable[Path]]]
) -> LayerGraph:
    """The graph from the cache, or built (and then kept).

    `inputs` are the workload file and the model's file, `where` the names that decide which modules are imported;
    `build` gives the graph and every module it imported.
    """
    store = Store(cache_folder())
    entry = f"graph-{digest_of(*where, files=inputs, stage='workload', libraries=('torch', 'onnx', 'tflite'))}"
    graph = _graph(store.get_data(entry))
    if graph is not None:
        return graph
    graph, modules = build()
    digests = [[str(path), file_digest(path)] for path in sorted(set(modules))]
    if all(digest is not None for _, digest in digests):
        store.put_data(entry, {"modules": digests, "graph": graph_to_data(graph)})
    return graph


def _graph(data: Any) -> LayerGraph | None:
    """The graph of an entry whose modules are as they were."""
    try:
        if any(file_digest(Path(path)) != digest for path, digest in data["modules"]):
            return None
        return graph_from_data(data["graph"])
    except (ValueError, TypeError, KeyError):
        return None
