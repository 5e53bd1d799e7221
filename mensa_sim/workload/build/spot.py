"""Where in a model an operator stands while it is read: its operations are added there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor

if TYPE_CHECKING:
    from mensa_sim.workload.build.builder import GraphBuilder


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
