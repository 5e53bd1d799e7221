"""Tracing: a torch module, or an exported program, becomes a layer graph. Weights are never allocated."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, OutputKind, OutputSpec, TensorArgument

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.aliases import changed_inputs
from mensa_sim.workload.importers.torch.export import export, quietly, readable
from mensa_sim.workload.importers.torch.nodes import NodeReader, is_index, is_mixed, stated_bits, static_shape

_CHANGES = (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION)


def trace(
    module: object,
    inputs: Sequence[Any] | Mapping[str, Any],
    *,
    name: str,
    parameter_bits: int = 8,
    activation_bits: int = 8,
) -> LayerGraph:
    """The layer graph of a module built on the `meta` device, for inputs on `meta` (by position or by name)."""
    program = export(module, inputs, name=name)
    return graph_of(program, name=name, parameter_bits=parameter_bits, activation_bits=activation_bits)


def graph_of(program: ExportedProgram, *, name: str, parameter_bits: int = 8, activation_bits: int = 8) -> LayerGraph:
    """The layer graph of an exported program (a `.pt2` file once loaded)."""
    program = readable(program, name=name)
    builder = GraphBuilder(name, parameter_bits=parameter_bits, activation_bits=activation_bits)
    inputs = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    mixed = is_mixed(node for node in program.graph.nodes if node.name not in inputs)
    _add_placeholders(builder, program, mixed=mixed)
    reader = NodeReader(builder, name=name, mixed=mixed)
    with quietly(), torch.no_grad():
        for node in program.graph_module.graph.nodes:
            if node.op == "call_function":
                reader.read(node, program.graph_module)
            elif node.op == "output":
                for returned in node.all_input_nodes:
                    reader.make_current(returned)
    _add_outputs(builder, program)
    return _with_unheld(builder.build(), program)


def _with_unheld(graph: LayerGraph, program: ExportedProgram) -> LayerGraph:
    """The graph, which says where its parameters differ from the module's."""
    sizes = {name: program.state_dict[name].numel() for name in program.graph_signature.parameters}
    held = {parameter.name.partition("[")[0] for layer in graph.layers for parameter in layer.parameters}
    unheld = tuple(name for name in sizes if name not in held)
    coverage = replace(
        graph.coverage,
        module_parameters=sum(sizes.values()),
        unheld_parameters=sum(sizes[name] for name in unheld),
        unheld_names=unheld,
    )
    return replace(graph, coverage=coverage)


def _add_placeholders(builder: GraphBuilder, program: ExportedProgram, *, mixed: bool) -> None:
    signature = program.graph_signature
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    constants = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
    changed = {spec.target for spec in signature.output_specs if spec.kind in _CHANGES}
    changed.update(changed_inputs(program.graph))
    for spec in signature.input_specs:
        node_name = getattr(spec.arg, "name", None)
        value = nodes[node_name].meta.get("val") if node_name in nodes else None
        if not isinstance(node_name, str) or not isinstance(value, torch.Tensor):
            continue
        shape = static_shape(value, node_name, builder.name)
        bits = stated_bits(value, mixed=mixed)
        if {spec.target, node_name} & changed:
            builder.state(node_name, shape, index=is_index(value), bits=bits)
        elif spec.kind in constants:
            builder.constant(node_name, shape, name=spec.target or node_name, bits=bits)
        elif spec.kind is InputKind.USER_INPUT:
            builder.input(node_name, shape, index=is_index(value), bits=bits)
        else:
            raise TraceError(f"{builder.name}: input {node_name} is a {spec.kind.name}, which cannot be traced")


def _add_outputs(builder: GraphBuilder, program: ExportedProgram) -> None:
    """What leaves the model, and what becomes of its states; texts and numbers among the outputs cost nothing."""
    signature = program.graph_signature
    holders = {spec.target or spec.arg.name: spec.arg.name for spec in signature.input_specs if _is_tensor(spec)}
    for spec in signature.output_specs:
        if not _is_tensor(spec):
            continue
        if spec.kind is OutputKind.USER_OUTPUT:
            builder.output(spec.arg.name)
        elif spec.kind in _CHANGES and builder.has(spec.arg.name):
            builder.next_state(holders[spec.target or ""], spec.arg.name)
    for name in changed_inputs(program.graph):
        builder.next_state(name, name)


def _is_tensor(spec: InputSpec | OutputSpec) -> bool:
    return isinstance(spec.arg, TensorArgument)
