"""Reading an ONNX file down to what a layer graph needs: nodes, shapes, widths, and which tensors are constants."""

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from mensa_sim.errors import TraceError, UsageError
from mensa_sim.records import dataclass
from mensa_sim.workload.files import InputEntry
from mensa_sim.workload.importers.messages import one_line

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTensor:
    """A tensor known before the model runs; `value` is a numpy array where it is small."""

    shape: Shape
    value: Any = None
    literal: bool = False
    """True for a number written into the model, which no memory need hold."""
    kind: int = 0
    """Element type, as the standard numbers them."""


@dataclass(slots=True, kw_only=True)
class OnnxModel:
    """A model on its way to a graph: the file's protocol buffer without large constants, and what is known of it."""

    proto: Any
    constants: dict[str, KnownTensor] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    """What stands among the graph's inputs: the model's, and constants without a value."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    shapes: dict[str, Shape] = field(default_factory=dict)
    integers: set[str] = field(default_factory=set)
    """Tensors of integers wide enough to index with."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Element types, as the standard numbers them."""
    bits: dict[str, int] = field(default_factory=dict)
    """Width of each tensor of a model that is quantised; of any other the workload says it."""
    scales: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a quantised constant: the constants that hold its scales and zero points."""
    settled: list[str] = field(default_factory=list)
    """Nodes that only compute shapes or cast, worked out beforehand."""

    def constants_among(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of some tensors that are known before the model runs."""
        return tuple(name for name in names if name in self.constants)

    def value(self, name: str) -> Any:
        """The known value of a tensor as a numpy array; none where it is large or computed."""
        constant = self.constants.get(name)
        return None if constant is None else constant.value

    def number(self, name: str) -> Any:
        """The single number that a tensor is known to hold; none where it holds others, or nobody knows."""
        value = self.value(name)
        return value.reshape(-1)[0].item() if value is not None and value.size == 1 else None

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        versions = [entry.version for entry in self.proto.opset_import if is_standard(entry)]
        return max(versions, default=1)


def is_standard(entry: Any) -> bool:
    """True for a node (or an operator set) of the standard's own domain."""
    return entry.domain in ("", "ai.onnx")


def label_of(node: Any) -> str:
    """What messages and layers call a node: its name, else its operator and the first tensor that it makes."""
    return str(node.name or f"{node.op_type}_{next((name for name in node.output if name), '')}")


def onnx_package() -> Any:
    """The `onnx` package, which is an extra."""
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError as error:
        raise UsageError("reading ONNX files needs the onnx package: pip install 'mensa-sim[onnx]'") from error


def read_proto(file: Path) -> Any:
    """The protocol buffer in a file, its functions inlined; what lies in other files is never read."""
    onnx = onnx_package()
    try:
        proto = onnx.load(str(file), load_external_data=False)
        if proto.functions:
            proto = importlib.import_module("onnx.inliner").inline_local_functions(proto)
    except Exception as error:  # protobuf raises what it likes on a foreign file
        raise TraceError(f"{file} is no ONNX model: {one_line(error, most=120)}") from error
    if not proto.graph.output:
        raise TraceError(f"{file} is no ONNX model, or one without outputs")
    return proto


def fix_inputs(model: OnnxModel, given: Sequence[InputEntry]) -> None:
    """Gives every input of the model its sizes, by name or by position; all that is wrong comes at once.

    A size of 0 or less in the file is an open one, as tools write it that have no name for it.
    """
    by_name = {
        entry.name or (model.inputs[at] if at < len(model.inputs) else f"number {at + 1}"): entry.shape
        for at, entry in enumerate(given)
    }
    faults = [
        f"the model has no input {name}; it has {', '.join(model.inputs)}"
        for name in by_name
        if name not in model.inputs
    ]
    for entry in model.proto.graph.input:
        if entry.name not in model.constants:
            faults.extend(_fix_input(entry, by_name.get(entry.name)))
    if faults:
        raise TraceError("; ".join(faults))


def _fix_input(entry: Any, shape: Shape | None) -> Iterable[str]:
    """Fills in one input's sizes; yields what is wrong with them."""
    if not entry.type.HasField("tensor_type"):
        yield f"input {entry.name} is no tensor"
        return
    kind = entry.type.tensor_type
    dims = kind.shape.dim
    shown = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
    if shape is None:
        if not kind.HasField("shape") or any(dim.dim_value < 1 for dim in dims):
            yield (
                f"input {entry.name} [{shown}] leaves sizes open; give its shape under inputs "
                f"(- {{name: {entry.name}, shape: [...]}})"
            )
        return
    if not kind.HasField("shape"):
        kind.shape.SetInParent()
        for _ in shape:
            kind.shape.dim.add()
    if len(shape) != len(dims) or any(d.dim_value > 0 and d.dim_value != s for d, s in zip(dims, shape, strict=True)):
        yield f"input {entry.name} is [{shown}] in the model, not {list(shape)}"
        return
    for dim, size in zip(dims, shape, strict=True):
        dim.dim_value = size


def forget_open_shapes(graph: Any) -> None:
    """Drops what the file says of shapes with open sizes: with the inputs' sizes known, inference says more."""
    kept = [entry for entry in graph.value_info if _is_closed(entry)]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    for entry in graph.output:
        if not _is_closed(entry):
            entry.type.tensor_type.ClearField("shape")


def _is_closed(entry: Any) -> bool:
    kind = entry.type.tensor_type
    return kind.HasField("shape") and all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in kind.shape.dim)


_NAMED = {"FLOAT": 32, "DOUBLE": 64, "BOOL": 8}
"""Bits of the types whose names do not say them."""

_INDICES = ("INT16", "INT32", "INT64", "UINT16", "UINT32", "UINT64")


def bits_of(kind: int) -> int | None:
    """Bits of an element as it is stored; none for texts and for what is no type.

    >>> from onnx import TensorProto
    >>> bits_of(TensorProto.INT4), bits_of(TensorProto.FLOAT8E4M3FN), bits_of(TensorProto.FLOAT), bits_of(99)
    (4, 8, 32, None)
    """
    types = onnx_package().TensorProto.DataType
    if kind not in types.values():
        return None
    name = types.Name(kind)
    digits = re.search(r"\d+", name)
    return _NAMED.get(name) if digits is None else int(digits[0])


def is_index_type(kind: int) -> bool:
    """True for integers that index, wider than a quantised activation."""
    types = onnx_package().TensorProto.DataType
    return kind in types.values() and types.Name(kind) in _INDICES


def is_quantised_type(kind: int) -> bool:
    """True for the narrow types that stand for a float with a scale."""
    types = onnx_package().TensorProto.DataType
    bits = bits_of(kind)
    return bits is not None and bits <= 8 and types.Name(kind) != "BOOL"
