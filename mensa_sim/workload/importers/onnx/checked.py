"""What onnx's shape inference takes for granted: on a file that lacks it, it hangs or dies instead of refusing."""

import re
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.onnx.model import OnnxModel, label_of
from mensa_sim.workload.importers.onnx.names import bodies

_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")


def check_nodes(model: OnnxModel) -> None:
    """Refuses nodes on which inference (onnx 1.23) would not come to an end."""
    _check(model.proto.graph)


def _check(graph: Any) -> None:
    for node in graph.node:
        if node.op_type == "Einsum":
            equations = [a.s.decode(errors="replace") for a in node.attribute if a.name == "equation"]
            if not all(_EQUATION.fullmatch(equation.replace(" ", "")) for equation in equations):
                raise TraceError(f"node {label_of(node)} (Einsum) has the equation {equations[0]!r}, which is none")
        for body in bodies(node):
            _check(body)
