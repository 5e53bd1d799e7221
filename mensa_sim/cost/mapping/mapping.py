"""A mapping: how the loops of a nest are unrolled, ordered and held at the levels of an accelerator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mensa_sim.cost.mapping.unrolling import Unrolling


class Loop(NamedTuple):
    """One temporal loop: a dim, or a flattened product of dims, and its trips."""

    dim: str
    trips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NestMapping:
    """Temporal loops, innermost first, and how many of the innermost ones each operand's levels hold.

    A loop of an operand's dim inside a level makes the tile there larger; the loops above fetch tiles anew.
    Where loops do not divide a dim, the last tile is short: it holds what is left, and it has fewer trips.
    """

    unrolling: Unrolling
    loops: tuple[Loop, ...]
    tile: int
    """Innermost loops that make up one buffer tile: what is computed between two swaps of the buffers."""
    register: Mapping[str, int] = field(default_factory=dict)
    """Innermost loops that each operand's registers hold."""
    buffer: Mapping[str, int] = field(default_factory=dict)
    """Innermost loops that each operand holds in its buffer, at least those of the tile."""
    _extents: tuple[Mapping[str, int], ...] = field(init=False, repr=False, compare=False)
    """Extents by number of innermost loops: a price asks for them some forty times."""

    def __post_init__(self) -> None:
        sizes = self.unrolling.sizes
        reach = dict(self.unrolling.lanes)
        extents = [reach]
        for dim, trips in self.loops:
            if dim not in reach or trips < 1:
                raise ValueError(f"mapping: no loop of {trips} trips over {dim}")
            reach = {**reach, dim: min(reach[dim] * trips, sizes[dim])}
            extents.append(reach)
        object.__setattr__(self, "_extents", tuple(extents))
        short = [dim for dim, size in sizes.items() if reach[dim] < size]
        if short:
            raise ValueError(f"mapping: the loops do not cover {', '.join(short)}")
        for held in (self.tile, *self.register.values(), *self.buffer.values()):
            if not 0 <= held <= len(self.loops):
                raise ValueError(f"mapping: {held} loops held of {len(self.loops)}")
        for operand, held in self.register.items():
            if held > self.buffer.get(operand, len(self.loops)):
                raise ValueError(f"mapping: the registers hold more loops of the {operand} than its buffer")

    def extents(self, inner_loops: int) -> Mapping[str, int]:
        """The extent of a tile along each dim, made of so many innermost loops, never beyond the dim."""
        return self._extents[inner_loops]

    def describe(self) -> str:
        """The unrolled dims and the loops from the outermost to the innermost, for people."""
        lanes = " ".join(f"{dim} {count}" for dim, count in self.unrolling.lanes.items() if count > 1) or "none"

        def text(loops: tuple[Loop, ...]) -> str:
            return " ".join(f"{dim} {trips}" for dim, trips in reversed(loops) if trips > 1) or "-"

        held = max(self.register.values(), default=0)
        inner, middle, outer = self.loops[:held], self.loops[held : self.tile], self.loops[self.tile :]
        kept = " ".join(f"{name} holds {n - self.tile}" for name, n in self.buffer.items() if n > self.tile)
        levels = f"unrolled {lanes} | memory {text(outer)} | buffer {text(middle)} | register {text(inner)}"
        return f"{levels} | {kept}" if kept else levels
