"""What an accelerator says in its file that it cannot run, and the layers that this means."""

from collections.abc import Callable, Mapping

from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.workload.graph import LayerGraph, units_in_order
from mensa_sim.workload.layer import Layer

_GRU_GATES = frozenset("rzn")

_KINDS: Mapping[str, Callable[[Layer, Accelerator], bool]] = {
    "activation_product": lambda layer, _: layer.weights_are_activations,
    "batch": lambda layer, _: layer.nest is not None and layer.nest.B > 1 and layer.operator != "conv3d",
    "gru": lambda layer, _: layer.gate is not None and layer.gate.rpartition(".")[2] in _GRU_GATES,
    "large_resize": lambda layer, spec: (
        layer.operator == "resize" and layer.output_bytes > spec.buffer_bytes.get("activation", 0)
    ),
}
"""What no operator's name says: products of two activations, several images at once, the gates of a GRU, an image that
is enlarged beyond what the accelerator holds."""


def refusal(layer: Layer, spec: Accelerator) -> str | None:
    """Why an accelerator refuses a layer by itself, or what is fused into it; none where it does not."""
    for name in spec.refuses:
        if name == layer.operator or name in layer.fused or (name in _KINDS and _KINDS[name](layer, spec)):
            return f"it does not run {name}"
    unknown = (name for name in (layer.operator, *layer.fused) if spec.runs and name not in spec.runs)
    return next((f"it does not run {name}" for name in unknown), None)


def refusals(graph: LayerGraph, spec: Accelerator) -> dict[str, str]:
    """By layer that an accelerator refuses, why: by itself or, where it stops there, for one that comes before it.

    A recurrent group is one piece: its layers are refused together then.
    """
    own = {layer.name: reason for layer in graph.layers if (reason := refusal(layer, spec)) is not None}
    if not (own and spec.stops_at_refusal):
        return own
    found: dict[str, str] = {}
    for layers in units_in_order(graph):
        before = [name for layer in layers for name in graph.predecessors(layer.name) if name in found]
        reasons = [own[layer.name] for layer in layers if layer.name in own] + [
            f"it stops at {name}" for name in before
        ]
        if reasons:
            found |= {layer.name: own.get(layer.name, reasons[0]) for layer in layers}
    return found
