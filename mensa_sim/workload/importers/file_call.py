"""One operator of a model's file, as handlers see it: inputs and results by position, tensors of the builder."""

import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from mensa_sim.errors import TraceError
from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Role, Site, Spot, Tensor
from mensa_sim.workload.importers.messages import one_line

LARGEST_VALUE = 65536
"""Elements of the largest constant whose value may matter to a shape (a choice)."""

DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error)
"""What readers raise that believe all that a file says of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorNames:
    """Operators of a format by the names that torch has for them."""

    elementwise: Mapping[str, str]
    reductions: Mapping[str, str]


def site_of(node: str, label: str, otherwise: str) -> Site:
    """Where an operator stands, by the pieces of its label between slashes and dots; of none, `otherwise`.

    >>> site_of("n1", "/block/conv", "conv_0")
    Site(node='n1', name='block.conv', source='block')
    """
    pieces = [piece for piece in label.replace("/", ".").split(".") if piece]
    return Site(node=node, name=".".join(pieces) or otherwise, source=".".join(pieces[:-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCall(Spot):
    """An operator, whichever format its file has."""

    form: ClassVar[str]
    """The format, in the name of an operator that we lack."""
    noun: ClassVar[str] = ""
    """What messages call an operator of the format, before its own name."""

    operator: str
    """Its name in the format."""
    inputs: tuple[str, ...]
    """What the builder calls each; empty for a missing one."""
    results: tuple[Tensor | None, ...]
    """None for one that nothing reads."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.noun}{self.site.node} ({self.operator})"

    def has(self, at: int) -> bool:
        """Whether there is an input at a position."""
        return at < len(self.inputs) and bool(self.inputs[at])

    def tensor(self, at: int) -> Tensor:
        """An input that must be there."""
        if not self.has(at):
            raise TraceError(f"{self.label} has no input {at}")
        return self._known(at)

    def _known(self, at: int) -> Tensor:
        return self.builder.tensor(self.inputs[at])

    def optional(self, at: int) -> Tensor | None:
        """An input that may be missing."""
        return self.tensor(at) if self.has(at) else None

    def parameter(self, at: int) -> Tensor:
        """An input that is learned where it is known at all: even one number, repeated, has its bytes."""
        return self.builder.learned(self.tensor(at))

    def optional_parameter(self, at: int) -> Tensor | None:
        """A learned input that may be missing."""
        return self.parameter(at) if self.has(at) else None

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """Every input, in order."""
        return tuple(self.tensor(at) for at in range(len(self.inputs)) if self.has(at))

    def value(self, at: int) -> Any:
        """The known value of an input as a numpy array; none where it is missing, large or computed."""
        raise NotImplementedError

    def integers(self, at: int) -> list[int] | None:
        """A known input as a flat list of integers."""
        value = self.value(at)
        return None if value is None else [int(item) for item in value.reshape(-1)]

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Every result that anything reads."""
        return tuple(tensor for tensor in self.results if tensor is not None)

    def output(self, at: int) -> Tensor | None:
        """A result; none where it is missing or nothing reads it."""
        return self.results[at] if at < len(self.results) else None

    @property
    def result(self) -> Tensor:
        """The first result, which must be there."""
        found = self.output(0)
        if found is None:
            raise TraceError(f"{self.label} has no output 0")
        return found

    def add(self, operator: str, *, role: Role = Role.LAYER, **fields: Any) -> None:
        """Adds one operation that reads all inputs and writes all results, unless `fields` say otherwise."""
        Spot.add(self, operator, role=role, **{"reads": self.operands, "writes": self.outputs, **fields})

    def unsupported(self) -> None:
        """Charges the traffic of an operator that we lack, and marks it."""
        self.add(f"{self.form}.{self.operator}", role=Role.UNSUPPORTED)

    def read(self, handler: Callable[[Self], None] | None) -> None:
        """Adds the operator's layers; what a damaged one says is refused by its name."""
        try:
            if self.builder.makes_nothing(self.site, self.outputs, self.operands):
                return
            if handler is None:
                self.unsupported()
            else:
                handler(self)
        except DAMAGE as error:
            raise TraceError(f"{self.label} cannot be read: {one_line(error)}") from error
