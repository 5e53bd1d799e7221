"""An ONNX file as a layer graph, through the same builder and layer makers as a torch model."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.file_call import DAMAGE, site_of
from mensa_sim.workload.importers.messages import naming
from mensa_sim.workload.importers.onnx.call import OnnxCall
from mensa_sim.workload.importers.onnx.constants import take_constants, take_values
from mensa_sim.workload.importers.onnx.functions import ONNX_OPERATORS
from mensa_sim.workload.importers.onnx.model import (
    OnnxModel,
    fix_inputs,
    forget_open_shapes,
    is_standard,
    label_of,
    onnx_package,
    read_proto,
)
from mensa_sim.workload.importers.onnx.shapes import settle_shapes


def import_model(workload: WorkloadFile, path: Path) -> tuple[LayerGraph, tuple[Path, ...]]:
    """The layer graph of a workload whose model is an ONNX file; a `TraceError` names the file and the node."""
    file = workload.reference.path_beside(path)
    model = OnnxModel(proto=read_proto(file))
    with naming(file, DAMAGE):  # onnx's helpers check nothing that a file says of itself
        _describe(model, workload)
        settle_shapes(model)
        return _graph(model, workload), ()


def _describe(model: OnnxModel, workload: WorkloadFile) -> None:
    """Fills in what the file and the workload say of constants, inputs and outputs."""
    graph = model.proto.graph
    model.declared = {entry.name for entry in graph.input}
    take_constants(model, graph)
    model.inputs = tuple(entry.name for entry in graph.input if entry.name not in model.constants)
    model.outputs = tuple(dict.fromkeys(entry.name for entry in graph.output))
    fix_inputs(model, workload.inputs)
    take_values(model, workload.inputs)
    forget_open_shapes(graph)


def _graph(model: OnnxModel, workload: WorkloadFile) -> LayerGraph:
    builder = GraphBuilder(workload.name, **workload.bits)
    for name in model.inputs:
        if any(size < 0 for size in model.shapes[name]):
            raise TraceError(f"input {name} has the shape {list(model.shapes[name])}")
        builder.input(name, model.shapes[name], index=name in model.integers, bits=model.bits.get(name))
    for name in model.settled:
        builder.note_layout(name)
    read = {name for node in model.proto.graph.node for name in node.input} | set(model.outputs)
    taken: Counter[str] = Counter()
    for node in model.proto.graph.node:
        handler = ONNX_OPERATORS.get(node.op_type) if is_standard(node) else None
        _call(node, model, builder, read, taken).read(handler)
    for name in model.outputs:
        if name not in model.constants:
            builder.output(name)
    return builder.build()


def _call(node: Any, model: OnnxModel, builder: GraphBuilder, read: set[str], taken: Counter[str]) -> OnnxCall:
    onnx = onnx_package()
    label = label_of(node)
    taken[label] += 1
    unique = label if taken[label] == 1 else f"{label}#{taken[label]}"
    return OnnxCall(
        builder=builder,
        model=model,
        site=site_of(unique, label, unique),
        operator=node.op_type,
        inputs=tuple(node.input),
        results=tuple(_result(name, node, label, model) if name in read else None for name in node.output),
        attributes={entry.name: _plain(onnx.helper.get_attribute_value(entry)) for entry in node.attribute},
    )


def _result(name: str, node: Any, label: str, model: OnnxModel) -> Tensor | None:
    if not name:
        return None
    shape = model.shapes.get(name)
    if shape is None:
        raise TraceError(
            f"node {label} ({node.op_type}): the shape of its output {name} is unknown: it depends on the data "
            "(cut the model there), or onnx does not know the operator (state it in value_info)"
        )
    if any(size < 0 for size in shape):
        raise TraceError(f"node {label} ({node.op_type}): its output {name} would be {list(shape)}")
    return Tensor(
        id=name, shape=shape, stored=math.prod(shape), index=name in model.integers, bits=model.bits.get(name)
    )


def _plain(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
