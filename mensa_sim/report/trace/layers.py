"""What `mensa-sim trace` shows of a layer graph: a table or CSV."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Group, RenderableType

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import json_text, picked
from mensa_sim.report.page.quantities import bytes_text, engineering, percent_text
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.workload.coverage import Share, coverage_shares
from mensa_sim.workload.families.paper import families_of
from mensa_sim.workload.graph import Coverage, LayerGraph
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


TRACE_FIELDS = (
    *("name", "operator", "macs", "vector_ops", "parameter_bytes", "input_bytes", "output_bytes"),
    *("macs_per_parameter_byte", "steps", "recurrent", "group", "gate", "fused", "supported", "source"),
)


_MOST_NAMED = 5
"""Parameters that a line names."""


def trace_json(graph: LayerGraph) -> str:
    """The graph as JSON text in the documented form, each layer with its family where it has one."""
    families = families_of(graph)
    record = trace_record(graph)
    for layer in record["layers"]:
        if layer["name"] in families:
            layer["family"] = families[layer["name"]]
    return json_text(record)


def trace_csv(graph: LayerGraph) -> str:
    """One row a layer; a value that does not exist is empty (MAC/B without parameters, no group)."""
    families = families_of(graph)
    rows = ((*(getattr(layer, name) for name in TRACE_FIELDS), families.get(layer.name)) for layer in graph.layers)
    return csv_text((*TRACE_FIELDS, "family"), rows)


def trace_tables(graph: LayerGraph) -> RenderableType:
    """Layers with their MACs, bytes and reuse; totals and coverage below."""
    families = families_of(graph)
    columns = [*texts("layer", "operator"), *numbers("MACs", "param.", "input", "output", "MAC/B", "steps")]
    rows = [_row(layer, families.get(layer.name)) for layer in graph.layers]
    return Group(Sheet(columns, rows, title=graph.name), "", *_totals(graph))


def _row(layer: Layer, family: int | None) -> tuple[str, ...]:
    reuse = layer.macs_per_parameter_byte
    operator = layer.operator if layer.supported else f"{layer.operator} (unsupported)"
    return (
        layer.name,
        "+".join((operator, *layer.fused)),
        engineering(layer.macs, "").strip(),
        bytes_text(layer.parameter_bytes),
        bytes_text(layer.input_bytes),
        bytes_text(layer.output_bytes),
        f"{reuse:.3g}" if layer.macs and math.isfinite(reuse) else "-",
        f"{layer.steps}{' rec.' if layer.recurrent else ''}",
    )


def _totals(graph: LayerGraph) -> tuple[str, ...]:
    return (
        f"{len(graph.layers)} layers, {engineering(graph.macs, 'MAC')}, parameters {bytes_text(graph.parameter_bytes)}",
        coverage_text(graph.coverage, coverage_shares(graph)),
        *_unheld_text(graph.coverage),
    )


def _unheld_text(coverage: Coverage) -> tuple[str, ...]:
    """Why the parameters are not the module's own count, where they are not."""
    if not coverage.unheld_parameters:
        return ()
    more = ", ..." if len(coverage.unheld_names) > _MOST_NAMED else ""
    return (
        f"of the module's {coverage.module_parameters} parameters {coverage.unheld_parameters} are unread or computed "
        f"into others beforehand: {', '.join(coverage.unheld_names[:_MOST_NAMED])}{more}",
    )


class WithCaveats(Protocol):
    """What rests on measured costs."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know of them."""


def caveats_text(*systems: WithCaveats) -> tuple[str, ...]:
    """What a reader must know of the measured costs of some systems, each sentence once."""
    return tuple(dict.fromkeys(text for each in systems for text in each.caveats))


def coverage_text(coverage: Coverage, shares: Mapping[str, Share]) -> str:
    """How the model's operators were understood, with the share of MACs and bytes on costed layers."""
    nodes = coverage.costed + coverage.fused + coverage.layout + coverage.unsupported
    costed = shares["costed"]
    of_macs = "" if costed.macs is None else f"{percent_text(costed.macs)} of the MACs and "
    text = (
        f"{nodes} operator{'' if nodes == 1 else 's'}: "
        f"{coverage.costed} costed, {coverage.fused} fused, {coverage.layout} layout, "
        f"{coverage.unsupported} unsupported; costed layers hold {of_macs}{percent_text(costed.bytes)} of the bytes"
    )
    if coverage.unsupported:
        text += f"; charged their traffic alone, MACs unknown: {', '.join(coverage.unsupported_operators)}"
    return text
