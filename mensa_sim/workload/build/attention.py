"""Which layers stand inside an attention: two products of activations and the softmax between them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mensa_sim.workload.graph import Edge
from mensa_sim.workload.layer import Layer


def with_attention_marked(layers: Sequence[Layer], edges: Iterable[Edge]) -> tuple[Layer, ...]:
    """The layers, those inside an attention marked; any other softmax or product of activations is not."""
    makers: dict[str, set[str]] = defaultdict(set)
    readers: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        makers[edge.consumer].add(edge.producer)
        readers[edge.producer].add(edge.consumer)
    products = {layer.name for layer in layers if layer.weights_are_activations}
    inside: set[str] = set()
    for layer in layers:
        before, after = makers[layer.name], readers[layer.name]
        if layer.operator == "softmax" and before and after and before | after <= products:
            inside |= {layer.name} | before | after
    return tuple(replace(layer, in_attention=True) if layer.name in inside else layer for layer in layers)
