"""What of a graph's activations does not fit an accelerator behind a host, and so leaves for the host and returns."""

from collections.abc import Mapping

from mensa_sim.workload.graph import LayerGraph


def spilled_bytes(graph: LayerGraph, capacity_bytes: int) -> Mapping[str, int]:
    """By layer, bytes of its output that leave the activation memory before their last reader and come back for it.

    Layers run in graph order. A tensor lies there from its producer to its last reader; where those of a moment exceed
    the memory, what is read last leaves first, as far as it must (Belady 1966). A layer's own input and output stay:
    what is too large for both at once is worked on in blocks (`spatial_blocks`); of one tensor alone, what is beyond
    the memory leaves.
    """
    return graph.made_once(("spilled_bytes", capacity_bytes), lambda: _spilled_bytes(graph, capacity_bytes))


def _spilled_bytes(graph: LayerGraph, capacity_bytes: int) -> Mapping[str, int]:
    found: dict[str, int] = {}
    if sum(layer.output_bytes for layer in graph.layers) <= capacity_bytes:
        return found
    place = {layer.name: index for index, layer in enumerate(graph.layers)}
    last = {
        layer.name: max((place[name] for name in graph.successors(layer.name)), default=-1) for layer in graph.layers
    }
    held: dict[str, int] = {}
    for index, layer in enumerate(graph.layers):
        read = set(graph.predecessors(layer.name))
        beside = sorted((name for name in held if name not in read), key=lambda name: -last[name])
        over = sum(held.values()) + layer.model_input_bytes + layer.output_bytes - capacity_bytes
        for name in beside:
            leaves = min(held[name], max(0, over))
            if leaves:
                found[name] = found.get(name, 0) + leaves
                held[name] -= leaves
                over -= leaves
        if layer.output_bytes > capacity_bytes and last[layer.name] > index:
            found[layer.name] = layer.output_bytes - capacity_bytes
        held[layer.name] = min(layer.output_bytes, capacity_bytes)
        held = {name: size for name, size in held.items() if last[name] > index}
    return found
