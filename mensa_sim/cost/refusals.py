"""What an accelerator says in its file that it cannot run, and the layers that this means."""

from collections.abc import Callable, Iterable, Mapping

from mensa_sim.workload.layer import Layer

_GRU_GATES = frozenset("rzn")

_KINDS: Mapping[str, Callable[[Layer], bool]] = {
    "activation_product": lambda layer: layer.weights_are_activations,
    "batch": lambda layer: layer.nest is not None and layer.nest.B > 1 and layer.operator != "conv3d",
    "gru": lambda layer: layer.gate is not None and layer.gate.rpartition(".")[2] in _GRU_GATES,
}
"""What no operator's name says: products of two activations, several images at once, the gates of a GRU."""


def refusal(layer: Layer, refuses: Iterable[str]) -> str | None:
    """Why a list of operators and kinds refuses a layer, or what is fused into it; none where it does not.

    >>> refusal(Layer(name="a", operator="conv2d", fused=("hardswish",)), ["conv3d", "hardswish"])
    'it does not run hardswish'
    """
    for name in refuses:
        if name == layer.operator or name in layer.fused or (name in _KINDS and _KINDS[name](layer)):
            return f"it does not run {name}"
    return None
