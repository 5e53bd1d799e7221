"""What `trace --json` prints of a layer graph, without the families, which a later stage adds."""

from dataclasses import asdict
from typing import Any

from mensa_sim.workload.coverage import coverage_shares
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


def trace_record(graph: LayerGraph) -> dict[str, Any]:
    """Plain data: totals, coverage and one entry per layer; what a layer does not have is left out."""
    return {
        "workload": graph.name,
        "macs": graph.macs,
        "parameter_bytes": graph.parameter_bytes,
        "coverage": asdict(graph.coverage),
        "coverage_shares": {name: share.record for name, share in coverage_shares(graph).items()},
        "layers": [_layer_record(layer) for layer in graph.layers],
    }


def _layer_record(layer: Layer) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": layer.name,
        "operator": layer.operator,
        "macs": layer.macs,
        "parameter_bytes": layer.parameter_bytes,
        "input_bytes": layer.input_bytes,
        "output_bytes": layer.output_bytes,
        "steps": layer.steps,
        "recurrent": layer.recurrent,
    }
    if layer.group is not None:
        record["group"] = layer.group
    if not layer.supported:
        record["supported"] = False
    if layer.fused:
        record["fused"] = list(layer.fused)
    return record
