"""An operator of a model before it is a layer: the tensors it reads and writes, and what it costs.

Front ends (torch, ONNX) describe a model as operations on tensors; `GraphBuilder` turns them into layers. Nothing
here knows torch.
"""

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from mensa_sim.records import dataclass
from mensa_sim.workload.layer import LoopNest

if TYPE_CHECKING:
    from mensa_sim.workload.build.builder import GraphBuilder


INDEX_BITS = 32
"""Bits of an integer index (a token, a position): what edge runtimes use, whatever the activations have."""

REPEATED = "@"
"""Stands in the name of a node that is made again, before what tells it from the first; it counts once."""


class Role(StrEnum):
    """How an operation becomes part of the layer graph."""

    LAYER = "layer"
    """A layer of its own."""
    ELEMENTWISE = "elementwise"
    """Fuses into the layer that makes its only activation, where nothing else reads that; else a layer."""
    AFFINE = "affine"
    """Scale and shift per channel (batch norm): folds into weight and bias; else as ELEMENTWISE."""
    VIEW = "view"
    """Re-indexes contiguous memory, at no cost."""
    STRIDED = "strided"
    """Re-orders elements: free where only readers that index freely read it, else a copy."""
    PAD = "pad"
    """Zeros around rows and columns: the convolution's own padding where only convolutions read it, else a copy."""
    UPDATE = "update"
    """Overwrites part of its first operand: in place where nothing reads the old elements, else a copy of the whole."""
    UNSUPPORTED = "unsupported"
    """Charged its traffic alone, and marked."""


def permuting(order: Sequence[int], shape: Sequence[int]) -> Role:
    """What axes in another order are: a view where only those of size one move."""
    moved = [axis for axis in order if shape[axis] != 1]
    return Role.VIEW if moved == sorted(moved) else Role.STRIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A value that flows through the model, or a constant of it."""

    id: str
    shape: tuple[int, ...]
    stored: int
    """Distinct elements in memory: fewer than the shape's where it is expanded, none for a constant fill."""
    index: bool = False
    """Holds integers that index."""
    constant: str | None = None
    """Name of the parameter, for what is known before the model runs."""
    bits: int | None = None
    """Bits of an element where the model says so; none: what the workload says. A view with other bits is a cast."""
    state: bool = False
    """Lies in memory from one inference to the next (a cache of keys): neither a parameter nor an input."""
    scales: tuple["Tensor", ...] = ()
    """Of a quantised constant: the constants that say what its integers stand for."""

    def __post_init__(self) -> None:
        if self.stored < 0 or any(size < 0 for size in self.shape):
            raise ValueError(f"tensor {self.id}: negative size in {self.shape} or {self.stored}")
        if self.bits is not None and self.bits < 1:
            raise ValueError(f"tensor {self.id}: {self.bits} bits, must be at least 1")

    @property
    def elements(self) -> int:
        """Elements of the shape."""
        return math.prod(self.shape)

    @property
    def is_parameter(self) -> bool:
        """Whether it is a constant that takes memory."""
        return self.constant is not None and self.stored > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where in the model an operator stands: its node, its module path, and the name its layer would like."""

    node: str
    name: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operator on tensors; what a layer holds beside its bytes, which follow from the tensors.

    `reads` may hold constants: those become the layer's parameters. Sizes, steps and marks mean what they do in
    `Layer`; `vector_ops` are totals over all steps.
    """

    site: Site
    operator: str
    role: Role = Role.LAYER
    reads: tuple[Tensor, ...] = ()
    writes: tuple[Tensor, ...] = ()
    nest: LoopNest | None = None
    window: LoopNest | None = None
    output_channels: int | None = None
    summed_elements: int = 0
    waiting_elements: int = 0
    further_rows: int = 0
    slices: int = 0
    slice_elements: int = 0
    vector_ops: int = 0
    gathered: int | None = None
    """Elements that an embedding reads of its table."""
    steps: int = 1
    recurrent: bool = False
    group: str | None = None
    gate: str | None = None
    feedback: tuple[Tensor, ...] = ()
    """What it reads of its own group's previous steps: no edge, but bytes."""
    feedback_elements: int = 0
    """Elements of its own group's previous steps that it reads and that no tensor names, over all steps."""
    state_elements: int = 0
    """Elements that it writes for the group's next step alone, over all steps."""
    has_bias: bool = False
    pads: tuple[int, int] = (0, 0)
    """Rows and columns that a PAD adds."""
    updated: int = 0
    """Elements that an UPDATE overwrites."""
    order: tuple[int, ...] = ()
    """Of a permutation: by axis of what it writes, that of what it reads."""
    across: tuple[int, ...] = ()
    """Axes of what it reads that each element which it writes may need all places of, or another place of."""
    part: str = ""
    """Which part a view takes, as an index expression: names a part of a parameter."""
    fused: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    """Every traced node that was folded into it."""
    foldable: bool = True
    """False where constant operands do not make a constant result of any use (a table that is gathered from)."""


def readers_of(operations: Iterable[Operation]) -> dict[str, list[int]]:
    """By tensor, the places of the operations that read it, in order."""
    readers: dict[str, list[int]] = {}
    for index, operation in enumerate(operations):
        for id in dict.fromkeys(tensor.id for tensor in operation.reads):
            readers.setdefault(id, []).append(index)
    return readers


def narrower(bits: int | None, other: int | None) -> int | None:
    """The width of what was cast to one width and then to another: a wider one adds nothing.

    >>> narrower(8, None), narrower(16, 4), narrower(None, None)
    (8, 4, None)
    """
    return bits if other is None else other if bits is None else min(bits, other)


def numbered(name: str, taken: Container[str]) -> str:
    """A name that is not taken: the one given, or that one with the first free number.

    >>> numbered("relu", {"relu", "relu_1"})
    'relu_2'
    """
    unique, count = name, 0
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    return unique


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A site of a model that a builder puts together; an importer's call is one that knows its operands too."""

    builder: "GraphBuilder"
    site: Site

    def add(self, operator: str, *, role: Role = Role.LAYER, **fields: Any) -> None:
        """Adds one operation; `fields` are those of `Operation`."""
        self.builder.add(Operation(site=self.site, operator=operator, role=role, **fields))

    def multiply(
        self, operator: str, *, operands: tuple[Tensor, ...], bias: Tensor | None, output: Tensor, **fields: Any
    ) -> None:
        """Adds a product; its bias is where the accumulator starts: a parameter, but no operation."""
        reads = operands if bias is None else (*operands, bias)
        self.add(operator, reads=reads, writes=(output,), has_bias=bias is not None, **fields)

    def new(
        self,
        part: str,
        shape: Sequence[int],
        *,
        stored: int | None = None,
        index: bool = False,
        bits: int | None = None,
    ) -> Tensor:
        """A tensor of the site's own, between its operations."""
        held = math.prod(shape) if stored is None else stored
        return Tensor(id=f"{self.site.node}/{part}", shape=tuple(shape), stored=held, index=index, bits=bits)

    def fill(self, tensor: Tensor) -> None:
        """Makes a tensor one of one repeated value."""
        self.builder.fill(self.site, tensor)

    def named(self, name: str) -> Self:
        """The same place, whose layer would like another name."""
        return replace(self, site=replace(self.site, name=name))
