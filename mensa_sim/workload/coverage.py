"""What share of a graph's work stands on operators that we understand."""

from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of all MACs and of all bytes (parameters, inputs and outputs of every layer)."""

    macs: float | None
    """None where it is unknown: an operator that is not understood may multiply as well."""
    bytes: float

    @property
    def record(self) -> dict[str, float]:
        """Plain data; an unknown share is left out."""
        return {"bytes": self.bytes} if self.macs is None else {"macs": self.macs, "bytes": self.bytes}


def coverage_shares(graph: LayerGraph) -> dict[str, Share]:
    """The shares of costed layers and of unsupported ones, which have traffic alone; both add up to 1."""
    chosen = {
        "costed": [layer for layer in graph.layers if layer.supported],
        "unsupported": [layer for layer in graph.layers if not layer.supported],
    }
    size_bytes = sum(map(_layer_bytes, graph.layers))
    return {
        name: Share(
            macs=None if chosen["unsupported"] else float(name == "costed"),
            bytes=sum(map(_layer_bytes, layers)) / size_bytes if size_bytes else float(name == "costed"),
        )
        for name, layers in chosen.items()
    }


def _layer_bytes(layer: Layer) -> int:
    return layer.parameter_bytes + layer.input_bytes + layer.output_bytes
