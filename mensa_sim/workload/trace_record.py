"""What `trace --json` prints of a layer graph, without the families, which a later stage adds."""

from typing import Any

from mensa_sim.io.json_text import picked
from mensa_sim.workload.coverage import coverage_shares
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


def trace_record(graph: LayerGraph) -> dict[str, Any]:
    """Plain data: totals, coverage and one entry per layer; what a layer does not have is left out."""
    return {
        **picked(graph, "workload=name", "macs", "parameter_bytes", "coverage"),
        "coverage_shares": {name: share.record for name, share in coverage_shares(graph).items()},
        "layers": [_layer_record(layer) for layer in graph.layers],
    }


def _layer_record(layer: Layer) -> dict[str, Any]:
    record = picked(layer, "name", "operator", "macs", "parameter_bytes", "input_bytes", "output_bytes")
    record |= picked(layer, "steps", "recurrent")
    if layer.group is not None:
        record["group"] = layer.group
    if not layer.supported:
        record["supported"] = False
    if layer.fused:
        record["fused"] = list(layer.fused)
    return record
