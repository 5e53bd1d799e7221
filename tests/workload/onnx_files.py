"""Small ONNX files made of a few nodes, and the graphs read from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.load import load_workload

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
helper, TensorProto = onnx.helper, onnx.TensorProto

Shape = list[int | str]


def save(
    folder: Path,
    nodes: list[Any],
    *,
    inputs: dict[str, Shape],
    outputs: tuple[str, ...] = ("y",),
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 17,
    integers: tuple[str, ...] = (),
) -> Path:
    """A model file of the nodes."""
    kinds = {name: TensorProto.INT64 if name in integers else TensorProto.FLOAT for name in inputs}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kinds[name], shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [
        helper.make_opsetid("", opset),
        helper.make_opsetid("elsewhere", 1),
        helper.make_opsetid("com.microsoft", 1),
    ]
    model = helper.make_model(graph, opset_imports=opsets)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), name=f"/{kind}", **attributes)


def weights(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1


def imported(folder: Path, nodes: list[Any], **model: Any) -> LayerGraph:
    return load_workload(save(folder, nodes, **model), cache=False)


def only(graph: LayerGraph) -> Layer:
    (layer,) = graph.layers
    assert graph.coverage.unsupported == 0
    return layer
