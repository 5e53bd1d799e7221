"""A mapping: how the loops of a nest are unrolled, ordered and held at the levels of an accelerator."""

from collections.abc import Mapping
from dataclasses import field
from itertools import pairwise
from typing import NamedTuple

from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand


class Loop(NamedTuple):
    """One temporal loop: a dim, or a flattened product of dims, and its trips."""

    dim: str
    trips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NestMapping:
    """Temporal loops, innermost first, and how many of the innermost ones each operand's levels hold.

    A loop of an operand's dim inside a level makes the tile there larger; the loops above fetch tiles anew. Operands
    may split the loops at places of their own. Where loops do not divide a dim, the last tile is short: it holds what
    is left, and it has fewer trips.
    """

    unrolling: Unrolling
    loops: tuple[Loop, ...]
    cuts: tuple[int, ...]
    """Innermost loops that make up a tile of each stage: first what the PEs work through between two swaps of their
    registers, last what is computed between two swaps with memory."""
    holds: Mapping[Operand, tuple[int, ...]] = field(default_factory=dict)
    """Innermost loops that each level on an operand's way holds, the innermost level first."""
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
        if not self.cuts:
            raise ValueError("mapping: cuts is empty")
        for name, held in (("cuts", self.cuts), *self.holds.items()):
            within = [0, *held, len(self.loops)]
            if within == sorted(within):
                continue
            if not 0 <= min(held) <= max(held) <= len(self.loops):
                raise ValueError(f"mapping: {name}: {list(held)} loops held of {len(self.loops)}")
            raise ValueError(f"mapping: a level inside another holds more loops of the {name}: {list(held)}")

    @property
    def tile(self) -> int:
        """Innermost loops that are computed between two swaps with memory."""
        return self.cuts[-1]

    def extents(self, inner_loops: int) -> Mapping[str, int]:
        """The extent of a tile along each dim, made of so many innermost loops, never beyond the dim."""
        return self._extents[inner_loops]

    def describe(self) -> str:
        """The unrolled dims and the loops from the outermost to the innermost, for people."""
        lanes = " ".join(f"{dim} {count}" for dim, count in self.unrolling.lanes.items() if count > 1) or "none"

        def text(loops: tuple[Loop, ...]) -> str:
            return " ".join(f"{dim} {trips}" for dim, trips in reversed(loops) if trips > 1) or "-"

        stages = [f"register {text(self.loops[: self.cuts[0]])}"]
        for stage, (inner, outer) in enumerate(pairwise(self.cuts), start=1):
            name = "buffer" if len(self.cuts) == 2 else f"buffer {stage}"
            stages.append(f"{name} {text(self.loops[inner:outer])}")
        stages.append(f"memory {text(self.loops[self.tile :])}")
        beyond = {operand: held[-1] - self.tile for operand, held in self.holds.items() if held}
        kept = " ".join(f"{operand} holds {count}" for operand, count in beyond.items() if count > 0)
        levels = " | ".join([f"unrolled {lanes}", *reversed(stages)])
        return f"{levels} | {kept}" if kept else levels
