"""A TFLite file as a layer graph, through the same builder and layer makers as a torch model; all shapes are static."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Site, Tensor
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.file_call import DAMAGE, site_of
from mensa_sim.workload.importers.messages import naming
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, tensor_id
from mensa_sim.workload.importers.tflite.file import TfliteModel, TfliteOperator, TfliteTensor, read_tflite
from mensa_sim.workload.importers.tflite.handlers import custom, layers, moves, recurrent, variables, vectors

TFLITE_OPERATORS: Mapping[str, TfliteHandler] = {
    name: handler
    for family in (layers, recurrent, vectors, moves, variables)
    for name, handler in family.HANDLERS.items()
}
"""TFLite operator to the handler that adds its layers."""

TFLITE_CUSTOM: Mapping[str, TfliteHandler] = custom.HANDLERS
"""Custom operator to its handler; the names are their authors' own, and may be those of the schema."""


_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def without_batches(model: TfliteModel) -> tuple[TfliteModel, Mapping[int, tuple[int, ...]], tuple[int, ...]]:
    """The model with each dilated convolution as one, their dilations by operator, and the operators that went.

    TensorFlow writes one as space to batches, a plain convolution and batches to space: the convolution must be the
    only reader of the first and the only source of the second re-ordering.
    """
    readers: dict[int, list[TfliteOperator]] = {}
    for operator in model.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    made_by = {index: operator for operator in model.operators for index in operator.outputs}
    dilated: dict[int, tuple[int, ...]] = {}
    joined: dict[int, TfliteOperator] = {}
    gone: list[int] = []
    for operator in model.operators:
        if operator.kind not in _CONVOLUTIONS or not operator.inputs or len(operator.outputs) != 1:
            continue
        before = made_by.get(operator.inputs[0])
        after = readers.get(operator.outputs[0], [])
        if before is None or before.kind != "SPACE_TO_BATCH_ND" or [o.kind for o in after] != ["BATCH_TO_SPACE_ND"]:
            continue
        block = _block(before, model)
        alone = len(readers[before.outputs[0]]) == 1 and not {*before.outputs, *operator.outputs} & {*model.outputs}
        if block is None or block != _block(after[0], model) or not alone:
            continue
        dilated[operator.index] = block
        inputs = (before.inputs[0], *operator.inputs[1:])
        joined[operator.index] = replace(operator, inputs=inputs, outputs=after[0].outputs)
        gone += [before.index, after[0].index]
    kept = [joined.get(operator.index, operator) for operator in model.operators if operator.index not in gone]
    return replace(model, operators=tuple(kept)), dilated, tuple(gone)


def _block(operator: TfliteOperator, model: TfliteModel) -> tuple[int, ...] | None:
    """Positions per axis that become batches, where two axes do."""
    value = model.tensors[operator.inputs[1]].value if len(operator.inputs) > 1 and operator.inputs[1] >= 0 else None
    return None if value is None or value.size != 2 else tuple(int(size) for size in value.reshape(-1))


_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("WHILE", "IF", "CALL", "STABLEHLO_WHILE"),
        "is control flow; only static graphs can be mapped, convert the model with it unrolled or decided",
    ),
    "edgetpu-custom-op": "is a model compiled for the Edge TPU; give the file from before the compiler",
}
"""Operators whose work lies outside the graph, and what to do about it."""
_STABLEHLO = "is StableHLO, which says nothing of layers; convert the model with TFLite's own operators"


def import_model(workload: WorkloadFile, path: Path) -> tuple[LayerGraph, tuple[Path, ...]]:
    """The layer graph of a workload whose model is a TFLite file; a `TraceError` names the file and the operator."""
    file = workload.reference.path_beside(path)
    with naming(file, DAMAGE):
        return _graph(read_tflite(file), workload), ()


def _graph(model: TfliteModel, workload: WorkloadFile) -> LayerGraph:
    builder = GraphBuilder(workload.name, **workload.bits)
    quantised = any(tensor.is_quantised for tensor in model.tensors)
    _declare(model, builder, quantised=quantised)
    model, dilated, gone = without_batches(model)
    for index in gone:
        builder.note_layout(f"operator {index}")
    for operator in model.operators:
        _read(
            TfliteCall(
                builder=builder,
                site=_site(operator, model),
                operator=operator.kind,
                inputs=tuple(tensor_id(index) if index >= 0 else "" for index in operator.inputs),
                results=tuple(_result(model.tensors[at], quantised=quantised) for at in operator.outputs if at >= 0),
                model=model,
                source=operator,
                dilation=dilated.get(operator.index),
            )
        )
    for id in map(tensor_id, model.outputs):
        if builder.has(id) and builder.tensor(id).constant is None:
            builder.output(id)
    return builder.build(channels_last=True)


def _result(made: TfliteTensor, *, quantised: bool) -> Tensor:
    """What an operator writes; only a quantised file says how wide its elements are."""
    bits = made.bits if quantised else None
    elements = math.prod(made.shape)
    return Tensor(id=tensor_id(made.index), shape=made.shape, stored=elements, index=made.is_index, bits=bits)


def _declare(model: TfliteModel, builder: GraphBuilder, *, quantised: bool) -> None:
    """Inputs, constants and variables; a single number is a literal."""
    for tensor in model.tensors:
        id, bits = tensor_id(tensor.index), tensor.bits if quantised else None
        if tensor.index in model.inputs:
            builder.input(id, tensor.shape, index=tensor.is_index, bits=bits)
        elif tensor.constant:
            single = tensor.value is not None and tensor.value.size <= 1
            builder.constant(id, tensor.shape, name=_constant_name(model, tensor.index), fill=single, bits=bits)
        elif tensor.variable:
            builder.state(id, tensor.shape)


def _constant_name(model: TfliteModel, index: int) -> str:
    """The tensor's name, which need not be unique in the file."""
    name = model.tensors[index].name
    same = [tensor.index for tensor in model.tensors if tensor.name == name]
    return name if len(same) == 1 else f"{name}#{same.index(index)}"


def _site(operator: TfliteOperator, model: TfliteModel) -> Site:
    """Named by what it makes; a converter joins the names of nodes that it joined."""
    made = next((model.tensors[index].name for index in operator.outputs if index >= 0), operator.kind.lower())
    return site_of(f"operator {operator.index}", made.split(";")[0], operator.kind.lower())


def _read(call: TfliteCall) -> None:
    """Adds an operator's layers, or says why the file cannot be read."""
    hlo = call.operator.startswith("STABLEHLO_") and not call.source.custom
    refused = _REFUSED.get(call.operator, _STABLEHLO if hlo else "")
    if refused:
        raise TraceError(f"{call.label} {refused}")
    call.read((TFLITE_CUSTOM if call.source.custom else TFLITE_OPERATORS).get(call.operator))
