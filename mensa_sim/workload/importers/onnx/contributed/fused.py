"""One fused operator while it is taken apart into nodes of the standard."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mensa_sim.workload.importers.onnx.constants import keep_small
from mensa_sim.workload.importers.onnx.model import OnnxModel, Shape, onnx_package


class FusedNode:
    """A fused operator being taken apart: parts read its inputs, or `at` another part."""

    def __init__(self, node: Any, model: OnnxModel) -> None:
        self.node, self.model = node, model
        self.parts: list[Any] = []
        self.constants: list[str] = []
        helper = onnx_package().helper
        self.attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}

    def input(self, at: int) -> str:
        """The name of an input; empty where it is missing."""
        return str(self.node.input[at]) if at < len(self.node.input) else ""

    def add(self, kind: str, inputs: Sequence[str], *, output: str = "", **attributes: Any) -> str:
        """One part more, and what it makes."""
        made = output or f"{self.node.output[0]}/{len(self.parts)}"
        part = onnx_package().helper.make_node(kind, inputs, [made], name=self.node.name, **attributes)
        self.parts.append(part)
        return made

    def wants(self, at: int) -> bool:
        """Whether an output has a name."""
        return at < len(self.node.output) and bool(self.node.output[at])

    def shape(self, at: int) -> Shape | None:
        """That of an input, where it is known."""
        return self.model.shapes.get(self.input(at)) if self.input(at) else None

    def constant(self, values: Sequence[int] | Any) -> str:
        """The name of a small constant: integers that a part takes as an input."""
        array = np.asarray(values, dtype=np.int64)
        name = f"{self.node.output[0]}/constant{len(self.constants)}"
        self.constants.append(name)
        keep_small(self.model, name, array, written=True)
        return name

    def end(self) -> list[Any]:
        """The parts, of which the last makes the result."""
        self.parts[-1].output[0] = self.node.output[0]
        return self.parts
