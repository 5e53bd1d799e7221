"""The graph cache: a traced model's layer graph, found again while everything it came from is unchanged.

An entry's name tells what is known before the model is built: the workload file, the model's own file, our tracing
code, Python, torch, onnx and tflite. Inside it stand the modules that building it imported, each with the digest that
it had; an entry whose modules have changed is not used.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mensa_sim.io.store import Store, cache_folder, digest_of, file_digest
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.graph_json import graph_from_data, graph_to_data


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
