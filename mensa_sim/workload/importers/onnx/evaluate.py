"""What is computed of an ONNX graph beforehand: nodes on known numbers, and how often a loop runs on them.

By the standard's reference implementation.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mensa_sim.workload.importers.onnx.model import OnnxModel, onnx_package
from mensa_sim.workload.importers.onnx.names import bodies, read_by

RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")
"""Operators that no two runs compute alike."""


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


def counted_trips(node: Any, body: Any, model: OnnxModel, most: int) -> int | None:
    """Trips of a Loop that starts, at most `most`; none where its condition hangs on the data.

    `body` is the node's, its constants the model's. Only the nodes that the condition needs are computed.
    """
    number, condition, *states = [entry.name for entry in body.input]
    following = dict(zip(states, (entry.name for entry in body.output[1:]), strict=False))
    first = dict(zip(states, node.input[2:], strict=False))
    goes_on = body.output[0].name
    parts, feeds = _closure(body, {goes_on}, following)
    values = {name: model.value(first.get(name, name)) for name in feeds - {number, condition}}
    values |= {number: np.array(0, np.int64), condition: np.array(True)}
    if any(value is None for value in values.values()):
        return None
    carried = [name for name in states if name in feeds]
    outputs = [goes_on, *(following[name] for name in carried)]
    try:
        compute = evaluator(parts, values, outputs, model.opset)
        for trip in range(most):
            values[number] = np.array(trip, np.int64)
            found = compute.run(None, values)
            if not bool(np.asarray(found[0]).reshape(-1)[0]):
                return trip + 1
            values |= dict(zip(carried, found[1:], strict=True))
    except Exception:  # what the evaluator cannot do leaves the loop as it was, and it is judged as such
        return None
    return most


def _closure(body: Any, wanted: set[str], following: Mapping[str, str]) -> tuple[list[Any], set[str]]:
    """The nodes that some tensors of a body need, trip after trip, in order; and what those read from outside."""
    makers = {name: part for part in body.node for name in part.output if name}
    needed, open_names = set(wanted), list(wanted)
    outside = set()
    while open_names:
        name = open_names.pop()
        part = makers.get(name)
        if part is not None and (part.op_type in RANDOM or any(bodies(part))):
            return [], {name}
        if part is None:
            outside.add(name)
        reads = [following[name]] if part is None and name in following else list(read_by(part)) if part else []
        fresh = [read for read in reads if read not in needed]
        needed.update(fresh)
        open_names.extend(fresh)
    return [part for part in body.node if needed.intersection(part.output)], outside
