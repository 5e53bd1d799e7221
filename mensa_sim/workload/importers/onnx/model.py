"""Reading an ONNX file down to what a layer graph needs: nodes, shapes, and which tensors are constants.

Weights are never looked at: a large constant is only its shape, whether its data lies in the file or beside it.
"""

import importlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mensa_sim.errors import TraceError, UsageError

LARGEST_VALUE = 65536
"""Elements of the largest constant whose value may matter to a shape."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTensor:
    """A tensor known before the model runs; `value` is a numpy array where it is small."""

    shape: Shape
    value: Any = None
    literal: bool = False
    """True for a number written into the model, which no memory need hold."""


@dataclass(slots=True, kw_only=True)
class OnnxModel:
    """A model on its way to a graph: the file's protocol buffer without large constants, and what is known of it."""

    proto: Any
    constants: dict[str, KnownTensor] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    shapes: dict[str, Shape] = field(default_factory=dict)
    integers: set[str] = field(default_factory=set)
    """Tensors of integers wide enough to index with."""
    settled: list[str] = field(default_factory=list)
    """Nodes that only compute shapes, worked out beforehand."""

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        versions = [entry.version for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx")]
        return max(versions, default=1)


def onnx_package() -> Any:
    """The `onnx` package, which is an extra."""
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError as error:
        raise UsageError("reading ONNX files needs the onnx package: pip install 'mensa-sim[onnx]'") from error


def read_onnx(file: Path, given: Sequence[tuple[str | None, Shape]]) -> OnnxModel:
    """The model in a file; `given` are names (or none, by position) and shapes for inputs with open sizes."""
    onnx = onnx_package()
    try:
        proto = onnx.load(str(file), load_external_data=False)
        if proto.functions:
            proto = importlib.import_module("onnx.inliner").inline_local_functions(proto)
    except Exception as error:  # protobuf raises what it likes on a foreign file
        raise TraceError(f"{file} is no ONNX model: {type(error).__name__}: {error}") from error
    if not proto.graph.node or not proto.graph.output:
        raise TraceError(f"{file} is no ONNX model, or one without operators")
    model = OnnxModel(proto=proto)
    _take_constants(model, onnx)
    model.inputs = tuple(entry.name for entry in proto.graph.input if entry.name not in model.constants)
    model.outputs = tuple(entry.name for entry in proto.graph.output)
    _fix_inputs(model, given, file)
    _forget_open_shapes(proto.graph)
    return model


def keep_small(model: OnnxModel, name: str, value: Any, onnx: Any, *, written: bool) -> None:
    """Makes a tensor a constant of known value.

    `written` is one that the model spells out or computes, not one that it learned: one number, however often it is
    repeated, is then a literal.
    """
    literal = value.ndim == 0 or (written and value.size > 0 and bool((value == value.flat[0]).all()))
    model.constants[name] = KnownTensor(shape=tuple(value.shape), value=value, literal=literal)
    model.proto.graph.initializer.append(onnx.numpy_helper.from_array(value, name))


def _take_constants(model: OnnxModel, onnx: Any) -> None:
    """Initializers and Constant nodes become `constants`; of large ones the shape alone stays, as an input."""
    graph = model.proto.graph
    tensors = [(tensor.name, tensor, False) for tensor in graph.initializer]
    nodes = [node for node in graph.node if node.op_type == "Constant"]
    tensors += [(node.output[0], tensor, True) for node in nodes for tensor in _constant_tensors(node, onnx)]
    for sparse in graph.sparse_initializer:
        _as_input(model, sparse.values.name, tuple(sparse.dims), sparse.values.data_type, onnx)
    others = [node for node in graph.node if node.op_type != "Constant"]
    del graph.initializer[:]
    del graph.sparse_initializer[:]
    del graph.node[:]
    graph.node.extend(others)
    for name, tensor, written in tensors:
        shape = tuple(tensor.dims)
        if math.prod(shape) > LARGEST_VALUE or tensor.data_location == onnx.TensorProto.EXTERNAL:
            _as_input(model, name, shape, tensor.data_type, onnx)
        else:
            keep_small(model, name, onnx.numpy_helper.to_array(tensor), onnx, written=written)


def _constant_tensors(node: Any, onnx: Any) -> Iterable[Any]:
    """The tensor of a Constant node, however it is spelt."""
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        match attribute.name:
            case "value":
                yield value
            case "value_int" | "value_ints":
                kind = onnx.TensorProto.INT64
                yield onnx.helper.make_tensor("", kind, _dims(value), _flat(value))
            case "value_float" | "value_floats":
                kind = onnx.TensorProto.FLOAT
                yield onnx.helper.make_tensor("", kind, _dims(value), _flat(value))


def _dims(value: Any) -> list[int]:
    return [len(value)] if isinstance(value, list) else []


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_input(model: OnnxModel, name: str, shape: Shape, kind: int, onnx: Any) -> None:
    model.constants[name] = KnownTensor(shape=shape)
    if name not in {entry.name for entry in model.proto.graph.input}:
        model.proto.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))


def _fix_inputs(model: OnnxModel, given: Sequence[tuple[str | None, Shape]], file: Path) -> None:
    """Gives every input of the model its sizes; all that is wrong comes at once."""
    by_name = {
        name or (model.inputs[at] if at < len(model.inputs) else f"number {at + 1}"): shape
        for at, (name, shape) in enumerate(given)
    }
    faults = [
        f"the model has no input {name}; it has {', '.join(model.inputs)}"
        for name in by_name
        if name not in model.inputs
    ]
    for entry in model.proto.graph.input:
        if entry.name in model.constants:
            continue
        if not entry.type.HasField("tensor_type"):
            faults.append(f"input {entry.name} is no tensor")
            continue
        dims = entry.type.tensor_type.shape.dim
        shown = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
        shape = by_name.get(entry.name)
        if shape is None:
            if any(dim.dim_value < 1 for dim in dims):
                faults.append(f"input {entry.name} [{shown}] leaves sizes open; give its shape under inputs")
        elif len(shape) != len(dims) or any(d.dim_value not in (0, s) for d, s in zip(dims, shape, strict=True)):
            faults.append(f"input {entry.name} is [{shown}] in the model, not {list(shape)}")
        else:
            for dim, size in zip(dims, shape, strict=True):
                dim.dim_value = size
    if faults:
        raise TraceError(f"{file}: " + "; ".join(faults))


def _forget_open_shapes(graph: Any) -> None:
    """Drops what the file says of shapes with open sizes: with the inputs' sizes known, inference says more."""
    kept = [entry for entry in graph.value_info if _is_closed(entry)]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    for entry in graph.output:
        if not _is_closed(entry):
            entry.type.tensor_type.ClearField("shape")


def _is_closed(entry: Any) -> bool:
    kind = entry.type.tensor_type
    return kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim)
