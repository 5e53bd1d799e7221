"""A TFLite file as plain records: tensors, and operators by the names of the schema. Weights are never looked at.

The generated readers of the schema do not check what they read, so whatever they stumble over is a damaged file.
"""

import importlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mensa_sim.errors import TraceError, UsageError
from mensa_sim.records import dataclass
from mensa_sim.workload.importers.file_call import LARGEST_VALUE

_IDENTIFIER = b"TFL3"
_NUMPY = (
    *("BOOL", "FLOAT16", "FLOAT32", "FLOAT64"),
    *("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"),
)
"""Element types that numpy has, under the same names in small letters."""
_INDEX_TYPES = ("INT32", "INT64", "UINT32", "UINT64")
_NOT_NUMBERS = ("STRING", "RESOURCE", "VARIANT", "BOOL")


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteTensor:
    """One tensor of the main graph."""

    index: int
    name: str
    shape: tuple[int, ...]
    kind: str
    """Element type, as the schema calls it."""
    constant: bool
    variable: bool
    zero_point: int = 0
    """The integer that stands for zero."""
    value: Any = None
    """A numpy array, where it is a small constant."""

    @property
    def is_index(self) -> bool:
        """True for integers wide enough to index with."""
        return self.kind in _INDEX_TYPES

    @property
    def bits(self) -> int | None:
        """Bits of an element; none for what is no number and for indices, which have a width of their own."""
        digits = re.search(r"\d+", self.kind)
        return None if digits is None or self.kind in _NOT_NUMBERS or self.is_index else int(digits[0])

    @property
    def is_quantised(self) -> bool:
        """True for the integers that stand for a float with a scale."""
        return self.kind in ("INT4", "INT8", "UINT8", "INT16")


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteOperator:
    """One operator: its name in the schema (a custom one's own), tensors by index (-1 for a missing one), options."""

    index: int
    kind: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    """The reader of its options; none where it has none."""
    custom_options: bytes = b""
    """Those of a custom operator, in its author's own form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteModel:
    """The main graph of a file."""

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def tflite_package() -> Any:
    """The `tflite` package, which is an extra."""
    try:
        return importlib.import_module("tflite")
    except ModuleNotFoundError as error:
        raise UsageError("reading TFLite files needs the tflite package: pip install 'mensa-sim[tflite]'") from error


def read_tflite(file: Path) -> TfliteModel:
    """The model in a file; a `TraceError` says what is wrong with it."""
    tflite = tflite_package()
    data = file.read_bytes()
    if data[4:8] != _IDENTIFIER:
        raise TraceError("no TFLite model")
    try:
        return _model(tflite, data)
    except TraceError:
        raise
    except Exception as error:  # the readers follow any offset, and raise what they meet
        raise TraceError("a damaged TFLite model: its tables cannot be followed") from error


def _model(tflite: Any, data: bytes) -> TfliteModel:
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() < 1:
        raise TraceError("a damaged TFLite model, which holds no graph")
    graph = model.Subgraphs(0)
    kinds = _names(tflite.TensorType)
    operators = tuple(_operators(tflite, model, graph))
    made = {index for operator in operators for index in operator.outputs}
    tensors = tuple(
        _tensor(index, graph.Tensors(index), model, kinds, made=index in made) for index in range(graph.TensorsLength())
    )
    inputs = tuple(graph.Inputs(at) for at in range(graph.InputsLength()))
    outputs = tuple(dict.fromkeys(graph.Outputs(at) for at in range(graph.OutputsLength())))
    found = TfliteModel(tensors=tensors, operators=operators, inputs=inputs, outputs=outputs)
    _check(found)
    return found


def _check(model: TfliteModel) -> None:
    """Refuses indices of tensors that are not there, and operators that read what nothing has made yet."""
    count = len(model.tensors)
    ends = [(index, "the graph") for index in (*model.inputs, *model.outputs)]
    for operator in model.operators:
        ends += [(at, f"operator {operator.index} ({operator.kind})") for at in (*operator.inputs, *operator.outputs)]
    for index, where in ends:
        if not -1 <= index < count:
            raise TraceError(f"{where} names tensor {index} of {count}")
    known = {tensor.index for tensor in model.tensors if tensor.constant or tensor.variable} | set(model.inputs)
    for operator in model.operators:
        for index in operator.inputs:
            if index >= 0 and index not in known:
                raise TraceError(
                    f"operator {operator.index} ({operator.kind}) reads tensor {index}, which nothing makes"
                )
        for index in operator.outputs:
            if index in known and not model.tensors[index].variable:
                raise TraceError(
                    f"operator {operator.index} ({operator.kind}) makes tensor {index}, which is there already"
                )
            known.add(index)
    if not model.outputs or not known.issuperset(model.outputs):
        raise TraceError("the graph has no outputs, or one that nothing makes")


def _names(enumeration: Any) -> Mapping[int, str]:
    """The names of an enumeration of the schema by number."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _tensor(index: int, tensor: Any, model: Any, kinds: Mapping[int, str], *, made: bool) -> TfliteTensor:
    shape = tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))
    name = (tensor.Name() or b"").decode(errors="replace") or f"tensor{index}"
    if any(size < 0 for size in shape):
        raise TraceError(f"tensor {name} has the shape {list(shape)}")
    if tensor.Type() not in kinds:
        raise TraceError(f"tensor {name} has the undefined element type {tensor.Type()}")
    kind = kinds[tensor.Type()]
    if not 0 <= tensor.Buffer() < model.BuffersLength():
        raise TraceError(f"tensor {name} lies in buffer {tensor.Buffer()} of {model.BuffersLength()}")
    buffer = model.Buffers(tensor.Buffer()) if tensor.Buffer() else None
    inside = buffer is not None and buffer.DataLength() > 0
    beside = buffer is not None and buffer.Size() > 0
    empty = 0 in shape and not made  # the shape of a single number is a constant of no elements
    return TfliteTensor(
        index=index,
        name=name,
        shape=shape,
        kind=kind,
        constant=(inside or beside or empty) and not tensor.IsVariable(),
        variable=bool(tensor.IsVariable()),
        zero_point=_zero_point(tensor.Quantization()),
        value=_value(buffer, name, shape, kind, sparse=tensor.Sparsity() is not None) if inside else None,
    )


def _zero_point(quantisation: Any) -> int:
    """That of the whole tensor; per channel it is 0 by specification."""
    return int(quantisation.ZeroPoint(0)) if quantisation is not None and quantisation.ZeroPointLength() == 1 else 0


def _value(buffer: Any, name: str, shape: tuple[int, ...], kind: str, *, sparse: bool) -> Any:
    """The values of a small constant; refuses data that does not fit the shape."""
    elements = math.prod(shape)
    if kind not in _NUMPY or sparse:
        return None
    width = np.dtype(kind.lower()).itemsize
    if buffer.DataLength() != elements * width:
        raise TraceError(
            f"tensor {name} of shape {list(shape)} holds {buffer.DataLength()} bytes, not {elements * width}"
        )
    if elements > LARGEST_VALUE:
        return None
    return np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype=kind.lower()).reshape(shape)


def _operators(tflite: Any, model: Any, graph: Any) -> Iterator[TfliteOperator]:
    builtins, options = _names(tflite.BuiltinOperator), _names(tflite.BuiltinOptions)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        if not 0 <= operator.OpcodeIndex() < model.OperatorCodesLength():
            raise TraceError(f"operator {index} has the code {operator.OpcodeIndex()}, which is none")
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Codes up to 127 stand in the older field, later ones in the newer.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = builtins.get(number)
        if kind is None:
            raise TraceError(f"operator {index} has the unknown code {number}")
        custom = kind == "CUSTOM"
        if custom:
            kind = (code.CustomCode() or b"").decode(errors="replace") or "CUSTOM"
        yield TfliteOperator(
            index=index,
            kind=kind,
            custom=custom,
            inputs=tuple(operator.Inputs(at) for at in range(operator.InputsLength())),
            outputs=tuple(operator.Outputs(at) for at in range(operator.OutputsLength())),
            options=_options(tflite, operator, options),
            custom_options=bytes(operator.CustomOptionsAsNumpy()) if operator.CustomOptionsLength() else b"",
        )


def _options(tflite: Any, operator: Any, kinds: Mapping[int, str]) -> Any:
    table, name = operator.BuiltinOptions(), kinds.get(operator.BuiltinOptionsType())
    reader = getattr(tflite, name, None) if name is not None and table is not None else None
    if reader is None:
        return None
    found = reader()
    found.Init(table.Bytes, table.Pos)
    return found
