"""One operator of a TFLite model, as handlers see it: options, tensors of the builder, known values.

TFLite keeps channels last and the layer makers want them first; the elements are the same, so a tensor is shown to
them in the other order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor
from mensa_sim.workload.importers.tflite.file import TfliteModel, TfliteOperator
from mensa_sim.workload.operators.elementwise import elementwise

_ACTIVATIONS: Mapping[int, str] = {1: "relu", 2: "hardtanh", 3: "hardtanh", 4: "tanh", 5: "sign"}
"""The schema's ActivationFunctionType: RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteCall:
    """An operator; tensors by position."""

    builder: GraphBuilder
    model: TfliteModel
    site: Site
    source: TfliteOperator
    quantised: bool
    """Whether the file says how wide its elements are."""
    dilation: tuple[int, ...] | None = None
    """That of a convolution that stood between space-to-batch and batch-to-space."""

    @property
    def operator(self) -> str:
        """The operator's name in the schema."""
        return self.source.kind

    def has(self, at: int) -> bool:
        """Whether there is an input at a position."""
        return at < len(self.source.inputs) and self.source.inputs[at] >= 0

    def tensor(self, at: int) -> Tensor:
        """An input that must be there; a single number is a literal."""
        if not self.has(at):
            raise TraceError(f"{self.site.node} ({self.operator}) has no input {at}")
        index = self.source.inputs[at]
        return replace(self.builder.tensor(tensor_id(index)), shape=self.model.tensors[index].shape)

    def parameter(self, at: int) -> Tensor:
        """An input that is learned where it is known at all: even a single number has its bytes."""
        return self.builder.learned(self.tensor(at))

    def optional(self, at: int) -> Tensor | None:
        """A learned input that may be missing."""
        return self.parameter(at) if self.has(at) else None

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """Every input, in order."""
        return tuple(self.tensor(at) for at in range(len(self.source.inputs)) if self.has(at))

    @property
    def results(self) -> tuple[Tensor, ...]:
        """Every output, in order."""
        found = [self.model.tensors[index] for index in self.source.outputs if index >= 0]
        return tuple(
            Tensor(
                id=tensor_id(each.index),
                shape=each.shape,
                stored=_elements(each.shape),
                index=each.is_index,
                bits=each.bits if self.quantised else None,
            )
            for each in found
        )

    @property
    def result(self) -> Tensor:
        """The first output, which must be there."""
        if not self.results:
            raise TraceError(f"{self.site.node} ({self.operator}) has no output")
        return self.results[0]

    def value(self, at: int) -> Any:
        """The known value of an input as a numpy array; none where it is missing, large or computed."""
        return self.model.tensors[self.source.inputs[at]].value if self.has(at) else None

    def integers(self, at: int) -> list[int] | None:
        """A known input as a flat list of integers."""
        value = self.value(at)
        return None if value is None else [int(item) for item in value.reshape(-1)]

    def is_zero(self, at: int) -> bool:
        """Whether an input is known to stand for zero."""
        value = self.value(at)
        return value is not None and bool((value == self.model.tensors[self.source.inputs[at]].zero_point).all())

    def option(self, name: str, default: Any = None) -> Any:
        """An option by the schema's name; the default (or an error, where there is none) without options."""
        if self.source.options is None or not hasattr(self.source.options, name):
            if default is None:
                raise TraceError(f"{self.site.node} ({self.operator}) lacks its option {name}")
            return default
        return getattr(self.source.options, name)()

    def before_activation(self) -> Tensor:
        """What an operator makes before the activation that is fused into it: the result where there is none."""
        if self._activation() is None:
            return self.result
        return replace(self.result, id=f"{self.result.id}/linear")

    def activate(self) -> None:
        """Adds the activation that is fused into the operator, if any."""
        name = self._activation()
        if name is not None:
            made = self.builder.tensor(f"{self.result.id}/linear")
            elementwise(self.builder, self.site, operator=name, operands=(made,), output=self.result)

    def _activation(self) -> str | None:
        number = self.option("FusedActivationFunction", 0)
        if number and number not in _ACTIVATIONS:
            raise TraceError(f"{self.site.node} ({self.operator}) has the unknown activation {number}")
        return _ACTIVATIONS.get(number)

    def new(self, part: str, shape: Sequence[int], *, like: Tensor | None = None) -> Tensor:
        """A tensor of the operator's own, between its parts."""
        bits = None if like is None else like.bits
        return Tensor(id=f"{self.site.node}/{part}", shape=tuple(shape), stored=_elements(shape), bits=bits)

    def add(self, operator: str, *, role: Role = Role.LAYER, **fields: Any) -> None:
        """Adds one operation that reads all inputs and writes all outputs, unless `fields` say otherwise."""
        fields = {"reads": self.operands, "writes": self.results, **fields}
        self.builder.add(Operation(site=self.site, operator=operator, role=role, **fields))

    def unsupported(self) -> None:
        """Charges the traffic of an operator that we lack, and marks it."""
        self.add(f"tflite.{self.operator}", role=Role.UNSUPPORTED)


TfliteHandler = Callable[[TfliteCall], None]


def tensor_id(index: int) -> str:
    """What the builder calls a tensor of the file."""
    return f"t{index}"


def channels_first(tensor: Tensor) -> Tensor:
    """[N, *space, C] shown as [N, C, *space]."""
    first, *space = tensor.shape
    return replace(tensor, shape=(first, *space[-1:], *space[:-1]))


def _elements(shape: Sequence[int]) -> int:
    elements = 1
    for size in shape:
        elements *= size
    return elements
