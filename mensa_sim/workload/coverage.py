"""What share of a graph's work stands on operators that we understand."""

from dataclasses import dataclass

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of all MACs and of all bytes (parameters, inputs and outputs of every layer)."""

    macs: float
    bytes: float


def coverage_shares(graph: LayerGraph) -> dict[str, Share]:
    """The shares of costed layers and of unsupported ones, which have traffic alone; both add up to 1."""
    chosen = {
        "costed": [layer for layer in graph.layers if layer.supported],
        "unsupported": [layer for layer in graph.layers if not layer.supported],
    }
    macs, size_bytes = graph.macs, sum(map(_layer_bytes, graph.layers))
    return {
        name: Share(
            macs=_ratio(sum(layer.macs for layer in layers), macs, empty=float(name == "costed")),
            bytes=_ratio(sum(map(_layer_bytes, layers)), size_bytes, empty=float(name == "costed")),
        )
        for name, layers in chosen.items()
    }


def _layer_bytes(layer: Layer) -> int:
    return layer.parameter_bytes + layer.input_bytes + layer.output_bytes


def _ratio(part: int, whole: int, *, empty: float) -> float:
    return part / whole if whole else empty
