"""Mappings that a user fixes, whole or in part, for layers by name: in an accelerator's file or in a workload's.

    mappings:
      - {layers: "conv*", unroll: {K: 16}, tile: {OY: 7, K: 64}, order: [C, OX, K]}
      - layers: head
        loops: [[C, 8], [K, 4], [C, 2]]                 # innermost first; the lanes of the array come on top
        holds: {weight_register: 0, accumulator: 1, buffer: {weight: 3, input: 1, output: 2}}

The first entry whose pattern a layer's name meets holds for it. In a workload's file each also names an `accelerator`,
and goes before what that accelerator's own file says.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from mensa_sim.errors import FileError
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import DIMS, Operand, split_dims

Held = int | Mapping[Operand, int]
"""Innermost loops that a level holds: of all operands that it serves, or of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMapping:
    """One entry: either all loops and what each level holds of them, or constraints on what is searched."""

    layers: str = "*"
    """A layer's name, or a pattern with * and ?."""
    accelerator: str | None = None
    """In a workload's file: whose array it is for."""
    unroll: Mapping[str, int] = field(default_factory=dict)
    """Lanes of dims, in place of as many as the axes have; fewer where a layer has fewer."""
    tile: Mapping[str, int] = field(default_factory=dict)
    """Extents of what is computed between two swaps with memory, in whole passes of the array; at most the layer's."""
    order: tuple[str, ...] = ()
    """Dims of the loops over these tiles, innermost first; K, C with FY and FX, and B with OY and OX go together."""
    loops: tuple[tuple[str, int], ...] = ()
    """Every loop in time and its trips, innermost first: a dim, or two flattened where the array has them so."""
    holds: Mapping[str, Held] = field(default_factory=dict)
    """By level, so many of the innermost loops."""
    file: str = field(init=False, default="", compare=False)
    """The file that it stands in, and its place there: told by whoever read it."""
    at: str = field(init=False, default="", compare=False)
    """Its place in that file."""

    def __post_init__(self) -> None:
        faults = [f"{name}: {dim} is {size}, must be at least 1" for name, dim, size in self._sizes() if size < 1]
        for name, dims in (("unroll", self.unroll), ("tile", self.tile), ("order", self.order)):
            faults += [f"{name}: no dim {dim!r}; there are {', '.join(DIMS)}" for dim in dims if not _is_dims(dim)]
        faults += [f"loops: no dim {dim!r}; there are {', '.join(DIMS)}" for dim, _ in self.loops if not _is_dims(dim)]
        if len(set(self.order)) < len(self.order):
            faults.append("order names a dim twice")
        if bool(self.loops) != bool(self.holds):
            faults.append("loops and holds go together")
        if self.loops and (self.tile or self.order):
            faults.append("loops say all of a mapping: leave out tile and order")
        if not (self.loops or self.tile or self.order or self.unroll):
            faults.append("says nothing: give loops and holds, or some of unroll, tile and order")
        if faults:
            raise ValueError("; ".join(faults))

    def _sizes(self) -> Iterable[tuple[str, str, int]]:
        yield from (("unroll", dim, size) for dim, size in self.unroll.items())
        yield from (("tile", dim, size) for dim, size in self.tile.items())
        yield from (("loops", dim, trips) for dim, trips in self.loops)

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> Hashable:
        """All that it says."""
        held = tuple((name, tuple(h.items()) if isinstance(h, Mapping) else h) for name, h in self.holds.items())
        sizes = tuple(self.unroll.items()), tuple(self.tile.items())
        return (self.layers, self.accelerator, *sizes, self.order, self.loops, held)

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.at} of {self.file}"

    def fault(self, name: str, message: str) -> FileError:
        """What is wrong with one of its fields."""
        return FileError(self.file, [f"{self.at}.{name}: {message}"])

    def is_for(self, layer: str) -> bool:
        """Whether it holds for a layer of that name."""
        return layer == self.layers or fnmatchcase(layer, self.layers)


def _is_dims(text: str) -> bool:
    try:
        return bool(split_dims(text))
    except ValueError:
        return False


def placed(mappings: Iterable[OwnMapping], path: Path | str) -> tuple[OwnMapping, ...]:
    """The mappings of a file, each of which knows where it stands."""
    found = []
    for index, each in enumerate(mappings):
        own = replace(each)
        object.__setattr__(own, "file", str(path))
        object.__setattr__(own, "at", f"mappings[{index}]")
        found.append(own)
    return tuple(found)
