"""Nodes of an ONNX graph computed on known numbers, by the standard's reference implementation."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mensa_sim.workload.importers.onnx.model import onnx_package


def evaluated(nodes: Sequence[Any], feeds: Mapping[str, Any], outputs: Sequence[str], opset: int) -> list[Any]:
    """The outputs of nodes, as numpy arrays; the evaluator raises what it likes on what it cannot do."""
    return [np.asarray(value) for value in evaluator(nodes, feeds, outputs, opset).run(None, dict(feeds))]


def evaluator(nodes: Sequence[Any], feeds: Mapping[str, Any], outputs: Sequence[str], opset: int) -> Any:
    """What computes the nodes' outputs from numbers of the types of `feeds`, any number of times."""
    helper = onnx_package().helper
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    graph = helper.make_graph(nodes, "known", inputs, [helper.make_empty_tensor_value_info(name) for name in outputs])
    wrapped = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return importlib.import_module("onnx.reference").ReferenceEvaluator(wrapped)
