"""One node of an ONNX model, as handlers see it: attributes, tensors of the builder, known values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor
from mensa_sim.workload.importers.onnx.model import OnnxModel
from mensa_sim.workload.operators.call import Call
from mensa_sim.workload.operators.registry import handler_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxCall:
    """A node: inputs and outputs by position, `attributes` as plain values."""

    builder: GraphBuilder
    model: OnnxModel
    site: Site
    operator: str
    inputs: tuple[str, ...]
    results: tuple[Tensor | None, ...]
    """Outputs by position; none for one that nothing reads."""
    attributes: Mapping[str, Any]

    @property
    def result(self) -> Tensor:
        """The first output."""
        return self.output(0)

    def output(self, at: int) -> Tensor:
        """An output that must be there."""
        found = self.results[at] if at < len(self.results) else None
        if found is None:
            raise TraceError(f"node {self.site.node} ({self.operator}) has no output {at}")
        return found

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Every output that anything reads."""
        return tuple(tensor for tensor in self.results if tensor is not None)

    def has(self, at: int) -> bool:
        """Whether the node has an input at a position."""
        return at < len(self.inputs) and bool(self.inputs[at])

    def tensor(self, at: int) -> Tensor:
        """An input that must be there."""
        if not self.has(at):
            raise TraceError(f"node {self.site.node} ({self.operator}) has no input {at}")
        return self._known(self.inputs[at])

    def optional(self, at: int) -> Tensor | None:
        """An input that may be missing."""
        return self.tensor(at) if self.has(at) else None

    def parameter(self, at: int) -> Tensor:
        """An input that is learned where it is known at all: even one number, repeated, has its bytes."""
        return self.builder.learned(self.tensor(at))

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """Every input, in order."""
        return tuple(self.tensor(at) for at in range(len(self.inputs)) if self.has(at))

    def value(self, at: int) -> Any:
        """The known value of an input as a numpy array; none where it is missing, large or computed."""
        constant = self.model.constants.get(self.inputs[at]) if self.has(at) else None
        return None if constant is None else constant.value

    def integers(self, attribute: str, at: int | None = None) -> list[int] | None:
        """A list of integers that older models give as an attribute and newer ones as an input."""
        if attribute in self.attributes:
            return [int(item) for item in self.attributes[attribute]]
        value = None if at is None else self.value(at)
        return None if value is None else [int(item) for item in value.reshape(-1)]

    def new(self, part: str, shape: Sequence[int]) -> Tensor:
        """A tensor of the node's own, between its parts."""
        made = Tensor(id=f"{self.site.node}/{part}", shape=tuple(shape), stored=0)
        return Tensor(id=made.id, shape=made.shape, stored=made.elements)

    def add(self, operator: str, *, role: Role = Role.LAYER, **fields: Any) -> None:
        """Adds one operation that reads all inputs and writes all outputs, unless `fields` say otherwise."""
        fields = {"reads": self.operands, "writes": self.outputs, **fields}
        self.builder.add(Operation(site=self.site, operator=operator, role=role, **fields))

    def as_aten(self, name: str, **arguments: Any) -> None:
        """Handles the node as torch's operator of that name would be; arguments by the names of its schema."""
        handler = handler_of(f"aten.{name}.default")
        if handler is None:
            raise TraceError(f"node {self.site.node} ({self.operator}) maps to aten.{name}, which we lack")
        call = Call(
            builder=self.builder,
            site=self.site,
            target=f"aten.{name}.default",
            arguments=arguments,
            results=self.outputs,
        )
        handler(call)

    def unsupported(self) -> None:
        """Charges the traffic of an operator that we lack, and marks it."""
        self.add(f"onnx.{self.operator}", role=Role.UNSUPPORTED)

    def _known(self, name: str) -> Tensor:
        constant = self.model.constants.get(name)
        if constant is not None and not self.builder.has(name):
            return self.builder.constant(
                name,
                constant.shape,
                name=name,
                fill=constant.literal,
                bits=self.model.bits.get(name),
                scales=tuple(map(self._known, self.model.scales.get(name, ()))),
            )
        return self.builder.tensor(name)


OnnxHandler = Callable[[OnnxCall], None]
