"""What an ONNX file holds of its constants: their shapes, and the values of small ones, which may say a shape.

Weights are never looked at: a large constant is only its shape, whether its data lies in the file, beside it or,
stripped, nowhere.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mensa_sim.errors import TraceError
from mensa_sim.workload.files import InputEntry
from mensa_sim.workload.importers.file_call import LARGEST_VALUE
from mensa_sim.workload.importers.messages import one_line
from mensa_sim.workload.importers.onnx.model import KnownTensor, OnnxModel, Shape, bits_of, label_of, onnx_package

_DTYPES = {"bfloat16": "float32"}
"""Where numpy has no type of a name, the one that holds its values."""

_DATA_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def take_constants(model: OnnxModel, graph: Any) -> None:
    """Initializers and Constant nodes of a graph become `constants`; of large ones the shape alone stays, as an input.

    `graph` is the model's own, or a body that is being put in its place.
    """
    onnx = onnx_package()
    tensors = [(tensor.name, tensor, False) for tensor in graph.initializer]
    nodes = [node for node in graph.node if node.op_type == "Constant"]
    sparse = [(entry.values.name, entry) for entry in graph.sparse_initializer]
    for node in nodes:
        if len(node.output) != 1 or len(node.attribute) != 1:
            raise TraceError(f"node {label_of(node)} (Constant) has no single value")
        attribute = node.attribute[0]
        if attribute.name == "sparse_value":
            sparse.append((node.output[0], attribute.sparse_tensor))
        else:
            tensors.append((node.output[0], _constant_tensor(attribute, onnx), True))
    others = [node for node in graph.node if node.op_type != "Constant"]
    del graph.initializer[:]
    del graph.sparse_initializer[:]
    del graph.node[:]
    graph.node.extend(others)
    for name, entry in sparse:
        as_shape_alone(model, name, tuple(entry.dims), entry.values.data_type)
    for name, tensor, written in tensors:
        _take(model, name, tensor, onnx, written=written)


def keep_small(model: OnnxModel, name: str, value: Any, *, written: bool) -> None:
    """Makes a tensor a constant of known value.

    `written` is one that the model spells out or computes, not one that it learned: one number, however often it is
    repeated, is then a literal.
    """
    literal = value.ndim == 0 or (written and value.size > 0 and bool((value == value.flat[0]).all()))
    stored = onnx_package().numpy_helper.from_array(value, name)
    model.constants[name] = KnownTensor(shape=tuple(value.shape), value=value, literal=literal, kind=stored.data_type)
    model.proto.graph.initializer.append(stored)


def as_shape_alone(model: OnnxModel, name: str, shape: Shape, kind: int) -> None:
    """Makes a tensor a constant whose value nobody knows."""
    model.constants[name] = KnownTensor(shape=shape, kind=kind)
    if name not in model.declared:
        model.declared.add(name)
        stated = onnx_package().helper.make_tensor_value_info(name, kind, shape)
        model.proto.graph.input.append(stated)


def take_values(model: OnnxModel, given: Sequence[InputEntry]) -> None:
    """Inputs whose values the workload gives are constants; they are no inputs any more."""
    names = model.inputs
    for at, entry in enumerate(given):
        if entry.value is not None:
            try:
                value = np.full(entry.shape, entry.value, dtype=_DTYPES.get(entry.dtype, entry.dtype))
            except (ValueError, OverflowError) as error:
                raise TraceError(f"inputs: the value of {entry.name or names[at]} is no {entry.dtype}") from error
            keep_small(model, entry.name or names[at], value, written=True)
    model.inputs = tuple(name for name in names if name not in model.constants)


def _take(model: OnnxModel, name: str, tensor: Any, onnx: Any, *, written: bool) -> None:
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise TraceError(f"constant {name} has the shape {list(shape)}")
    if not tensor.data_type or tensor.data_type not in onnx.TensorProto.DataType.values():
        raise TraceError(f"constant {name} has the undefined element type {tensor.data_type}")
    elements, given = math.prod(shape), _given_elements(tensor, onnx)
    if given is not None and given != elements:
        raise TraceError(f"constant {name} of shape {list(shape)} holds data for {given} elements, not {elements}")
    if elements > LARGEST_VALUE or (given is None and elements):
        as_shape_alone(model, name, shape, tensor.data_type)
        return
    try:
        value = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # numpy's and protobuf's own kinds of errors
        raise TraceError(f"constant {name} cannot be read: {one_line(error)}") from error
    keep_small(model, name, value, written=written)


def _given_elements(tensor: Any, onnx: Any) -> int | None:
    """The elements that a tensor holds data for; none where its data lies elsewhere or was stripped."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    width = bits_of(tensor.data_type) or 8
    if tensor.raw_data:
        return _elements(8 * len(tensor.raw_data), width, tensor.dims)
    counts = [len(getattr(tensor, name)) for name in _DATA_FIELDS if len(getattr(tensor, name))]
    if not counts:
        return None
    if tensor.data_type in (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128):
        return counts[0] // 2
    return _elements(8 * counts[0], width, tensor.dims) if width < 8 else counts[0]


def _elements(bits: int, width: int, dims: Iterable[int]) -> int:
    """Elements of a width in a number of bits; what fills the last byte up is none."""
    elements = math.prod(dims)
    return elements if bits == -(-elements * width // 8) * 8 else bits // width


def _constant_tensor(attribute: Any, onnx: Any) -> Any:
    """The tensor of a Constant node, however it is spelt."""
    value = onnx.helper.get_attribute_value(attribute)
    kinds = {
        "value_int": onnx.TensorProto.INT64,
        "value_ints": onnx.TensorProto.INT64,
        "value_float": onnx.TensorProto.FLOAT,
        "value_floats": onnx.TensorProto.FLOAT,
        "value_string": onnx.TensorProto.STRING,
        "value_strings": onnx.TensorProto.STRING,
    }
    if attribute.name in kinds:
        flat = list(value) if isinstance(value, list) else [value]
        return onnx.helper.make_tensor("", kinds[attribute.name], [len(flat)] if isinstance(value, list) else [], flat)
    if not isinstance(value, onnx.TensorProto):
        raise TraceError(f"a Constant node has the attribute {attribute.name}, which holds no tensor")
    return value
