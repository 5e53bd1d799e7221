"""Widths that a workload file states for all of its layers: each layer that states none takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.layer_list.entries import LayerEntry
from mensa_sim.workload.layer import OPERAND_WIDTHS, Layer

Widths = Mapping[str, int | None]
"""By field, one of `OPERAND_WIDTHS`."""


def widths_of(workload: WorkloadFile) -> Widths:
    """What a workload file states."""
    return {field: getattr(workload, field) for field in OPERAND_WIDTHS}


def entries_with_widths(entries: Sequence[LayerEntry], widths: Widths) -> tuple[LayerEntry, ...]:
    """The entries of a layer list; the second operand of a matmul is read like its first."""
    found = []
    for entry in entries:
        read = {**widths, "weight_bits": widths["input_bits"]} if entry.operator == "matmul" else widths
        missing: dict[str, Any] = {field: bits for field, bits in read.items() if getattr(entry, field) is None}
        found.append(replace(entry, **missing))
    return tuple(found)


def graph_with_widths(graph: LayerGraph, widths: Widths) -> LayerGraph:
    """A traced graph with the weights of its products, and their partial sums, that wide.

    A layer whose weights have a width of their own, as in a quantised file, keeps it. A tensor that layers share is as
    large in all of them.
    """
    weight_bits, sum_bits = widths.get("weight_bits"), widths.get("accumulator_bits")
    resized: dict[str, int] = {}
    for layer in graph.layers:
        if weight_bits is not None and (weights := _weights(layer)) is not None and layer.nest is not None:
            resized[weights] = bits_to_bytes(layer.nest.weight_elements * weight_bits)

    def widened(layer: Layer) -> Layer:
        if layer.nest is None and not any(parameter.name in resized for parameter in layer.parameters):
            return layer
        parameters = tuple(replace(p, size_bytes=resized.get(p.name, p.size_bytes)) for p in layer.parameters)
        own = weight_bits if _weights(layer) in resized else layer.weight_bits
        sums = sum_bits if layer.accumulator_bits is None and layer.nest is not None else layer.accumulator_bits
        return replace(layer, parameters=parameters, weight_bits=own, accumulator_bits=sums)

    return replace(graph, layers=tuple(widened(layer) for layer in graph.layers))


def _weights(layer: Layer) -> str | None:
    """The parameter that is the nest's weights, where their width is the workload's to say."""
    if layer.nest is None or layer.weight_bits is not None:
        return None
    size_bytes = bits_to_bytes(layer.nest.weight_elements * layer.parameter_bits)
    return next((parameter.name for parameter in layer.parameters if parameter.size_bytes == size_bytes), None)
