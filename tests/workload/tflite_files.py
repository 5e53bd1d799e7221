"""Small TFLite files made of a few operators with the schema's own writers, and the graphs read from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.load import load_workload

tflite = pytest.importorskip("tflite", reason="the extra tflite is not installed")
flatbuffers = pytest.importorskip("flatbuffers", reason="the extra tflite is not installed")

ONES = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
KINDS = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "bool": tflite.TensorType.BOOL,
    "resource": tflite.TensorType.RESOURCE,
}


@dataclass
class Net:
    """A graph in the making: tensors by name, operators in order."""

    kind: str = "float32"
    tensors: list[tuple[str, tuple[int, ...], str, np.ndarray | None, bool]] = field(default_factory=list)
    operators: list[tuple[str, list[int], list[int], str, dict[str, Any]]] = field(default_factory=list)

    def tensor(self, name: str, shape: Sequence[int], *, kind: str = "", variable: bool = False) -> int:
        self.tensors.append((name, tuple(shape), kind or self.kind, None, variable))
        return len(self.tensors) - 1

    def constant(self, name: str, value: Any, *, kind: str = "") -> int:
        array = np.asarray(value, dtype=kind or self.kind)
        self.tensors.append((name, array.shape, str(array.dtype), array, False))
        return len(self.tensors) - 1

    def weight(self, name: str, *shape: int, kind: str = "") -> int:
        return self.constant(name, np.arange(np.prod(shape)).reshape(shape) % 7 + 1, kind=kind)

    def add(
        self,
        operator: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: str = "",
        *,
        kind: str = "",
        **values: Any,
    ) -> int:
        """An operator with one result, which has the operator's number in its name."""
        output = self.tensor(f"net/{operator.lower()}{len(self.operators)}", shape, kind=kind)
        self.operators.append((operator, list(inputs), [output], options, values))
        return output

    def act(self, operator: str, inputs: Sequence[int]) -> None:
        """An operator that has no result."""
        self.operators.append((operator, list(inputs), [], "", {}))

    def save(self, path: Path, inputs: Sequence[int], outputs: Sequence[int]) -> Path:
        builder = flatbuffers.Builder(1024)
        codes = sorted({operator for operator, *_ in self.operators})
        buffers = [None, *(tensor[3] for tensor in self.tensors)]
        written = [_buffer(builder, data) for data in buffers]
        tensors = [_tensor(builder, at + 1, *tensor) for at, tensor in enumerate(self.tensors)]
        operators = [_operator(builder, codes.index(operator[0]), *operator[1:]) for operator in self.operators]
        graph = _table(
            builder,
            "SubGraph",
            Tensors=_offsets(builder, tensors),
            Inputs=builder.CreateNumpyVector(np.array(inputs, np.int32)),
            Outputs=builder.CreateNumpyVector(np.array(outputs, np.int32)),
            Operators=_offsets(builder, operators),
        )
        known = [_code(builder, operator) for operator in codes]
        model = _table(
            builder,
            "Model",
            Version=3,
            OperatorCodes=_offsets(builder, known),
            Subgraphs=_offsets(builder, [graph]),
            Buffers=_offsets(builder, written),
        )
        builder.Finish(model, b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def _table(builder: Any, name: str, **values: Any) -> int:
    getattr(tflite, f"{name}Start")(builder)
    for field_name, value in values.items():
        getattr(tflite, f"{name}Add{field_name}")(builder, value)
    made: int = getattr(tflite, f"{name}End")(builder)
    return made


def _offsets(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    made: int = builder.EndVector()
    return made


def _buffer(builder: Any, data: np.ndarray | None) -> int:
    if data is None or not data.size:
        return _table(builder, "Buffer")
    return _table(builder, "Buffer", Data=builder.CreateByteVector(data.tobytes()))


def _tensor(
    builder: Any, buffer: int, name: str, shape: tuple[int, ...], kind: str, _: np.ndarray | None, variable: bool
) -> int:
    title, dims = builder.CreateString(name), builder.CreateNumpyVector(np.array(shape, np.int32))
    return _table(builder, "Tensor", Shape=dims, Type=KINDS[kind], Buffer=buffer, Name=title, IsVariable=variable)


def _operator(
    builder: Any, code: int, inputs: list[int], outputs: list[int], options: str, given: dict[str, Any]
) -> int:
    vectors = {str: builder.CreateString, np.ndarray: builder.CreateNumpyVector}
    values = {name: vectors.get(type(value), lambda number: number)(value) for name, value in given.items()}
    fields = {
        "OpcodeIndex": code,
        "Inputs": builder.CreateNumpyVector(np.array(inputs, np.int32)),
        "Outputs": builder.CreateNumpyVector(np.array(outputs, np.int32)),
    }
    own = values.pop("custom_options", None)
    if own is not None:
        fields["CustomOptions"] = builder.CreateByteVector(own)
    if options:
        table = _table(builder, options, **values)
        fields |= {"BuiltinOptionsType": getattr(tflite.BuiltinOptions, options), "BuiltinOptions": table}
    return _table(builder, "Operator", **fields)


def _code(builder: Any, operator: str) -> int:
    number = getattr(tflite.BuiltinOperator, operator, None)
    if number is None:
        custom = builder.CreateString(operator)
        return _table(
            builder,
            "OperatorCode",
            DeprecatedBuiltinCode=32,
            BuiltinCode=tflite.BuiltinOperator.CUSTOM,
            CustomCode=custom,
        )
    return _table(builder, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number)


def imported(folder: Path, net: Net, inputs: Sequence[int], outputs: Sequence[int]) -> LayerGraph:
    return load_workload(net.save(folder / "model.tflite", inputs, outputs), cache=False)


def only(graph: LayerGraph) -> Layer:
    (layer,) = graph.layers
    assert graph.coverage.unsupported == 0
    return layer


def single(
    folder: Path,
    operator: str,
    shapes: list[tuple[int, ...]],
    output: tuple[int, ...],
    options: str = "",
    constants: tuple[Any, ...] = (),
    **values: Any,
) -> LayerGraph:
    """A graph of one operator: inputs of the shapes, then constants (arrays as they are, tuples as weights)."""
    net = Net()
    inputs = [net.tensor(f"x{at}", shape) for at, shape in enumerate(shapes)]
    known = [
        net.weight(f"w{at}", *value) if isinstance(value, tuple) else net.constant(f"w{at}", value, kind="int32")
        for at, value in enumerate(constants)
    ]
    made = net.add(operator, [*inputs, *known], output, options, **values)
    return imported(folder, net, inputs, [made])


def same_work(graph: LayerGraph, module: nn.Module, *shapes: tuple[int, ...]) -> None:
    expected = trace(module.eval(), [torch.zeros(shape) for shape in shapes], name="expected")
    assert [layer.macs for layer in graph.layers] == [layer.macs for layer in expected.layers]
    assert [layer.nest for layer in graph.layers] == [layer.nest for layer in expected.layers]
    assert [layer.vector_ops for layer in graph.layers] == [layer.vector_ops for layer in expected.layers]
    for name in ("parameter_bytes", "input_bytes", "output_bytes"):
        assert [getattr(e, name) for e in graph.layers] == [getattr(e, name) for e in expected.layers], name
