"""All tile extents that are tried for a nest, as flat arrays: one entry per combination of register and buffer tile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.counts.tiles import Floats, Indices
from mensa_sim.cost.mapping.candidates import GROUPS, group, splits
from mensa_sim.cost.mapping.unrolling import Unrolling

Bools = npt.NDArray[np.bool_]
ALL_GROUPS = (*GROUPS, "G")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The buffer tiles above one register tile."""

    register: Mapping[str, int]
    extents: Mapping[str, tuple[int, ...]]
    """Extents tried along each dim, the whole dim first."""
    chosen: Mapping[str, Indices]
    """Position of each entry's extent among them."""
    entries: int
    """Combinations of extents."""

    def tile(self, entry: int) -> dict[str, int]:
        """The buffer tile of an entry."""
        return {dim: extents[int(self.chosen[dim][entry])] for dim, extents in self.extents.items()}


def part(unrolling: Unrolling, register: Mapping[str, int], limits: Mapping[str, int]) -> Part:
    """Every combination of buffer tile extents above a register tile."""
    extents = {
        dim: tuple(min(size, register[dim] * cut) for cut in splits(-(-size // register[dim]), limits[dim]))
        for dim, size in unrolling.sizes.items()
    }
    several = [dim for dim, options in extents.items() if len(options) > 1]
    entries = prod(len(extents[dim]) for dim in several)
    positions = np.indices([len(extents[dim]) for dim in several]).reshape(len(several), entries)
    chosen = dict.fromkeys(extents, np.zeros(entries, dtype=np.intp)) | dict(zip(several, positions, strict=True))
    return Part(register=register, extents=extents, chosen=chosen, entries=entries)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Trips of each group of loops at each level, one entry per combination."""

    parts: tuple[Part, ...]
    starts: tuple[int, ...]
    trips_over_tiles: Mapping[str, Floats]
    """Tiles along the dims of each group."""
    one_tile: Mapping[str, Bools]
    trips_over_registers: Mapping[str, Floats]
    """Register tiles along the dims of each group, over the whole nest."""
    one_register_tile: Mapping[str, Bools]
    """Whether a buffer tile holds a single register tile along the group."""
    tiles: Floats

    def locate(self, entry: int) -> tuple[Part, int]:
        """The part of an entry, and its position there."""
        index = max(i for i, start in enumerate(self.starts) if start <= entry)
        return self.parts[index], entry - self.starts[index]


def over_parts(parts: Sequence[Part], values: Sequence[float]) -> Floats:
    """A number per part as one per entry."""
    if len(parts) == 1:
        return np.full(parts[0].entries, values[0], dtype=np.float64)
    return np.repeat(np.array(values, dtype=np.float64), [p.entries for p in parts])


def per_entry(parts: Sequence[Part], tables: Sequence[Mapping[str, Floats]], dim: str) -> Floats:
    """A table per extent of a dim as one number per entry."""
    columns = [table[dim][p.chosen[dim]] for p, table in zip(parts, tables, strict=True)]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def grid(unrolling: Unrolling, registers: Sequence[Mapping[str, int]], limits: Mapping[str, int]) -> Grid:
    """The grid of all combinations over some register tiles."""
    parts = tuple(part(unrolling, register, limits) for register in registers)
    total = sum(p.entries for p in parts)
    over_tiles = {name: np.ones(total) for name in ALL_GROUPS}
    over_registers = {name: np.ones(total) for name in ALL_GROUPS}
    inside = {name: np.ones(total, dtype=bool) for name in ALL_GROUPS}
    for dim, size in unrolling.sizes.items():
        if size == unrolling.lanes[dim]:
            continue
        name = group(dim)
        extents = [{dim: np.array(p.extents[dim], dtype=np.float64)} for p in parts]
        extent = per_entry(parts, extents, dim)
        register = over_parts(parts, [p.register[dim] for p in parts])
        over_tiles[name] = over_tiles[name] * np.ceil(size / extent)
        over_registers[name] = over_registers[name] * np.ceil(size / register)
        inside[name] &= extent == register
    starts = tuple(accumulate((p.entries for p in parts[:-1]), initial=0))
    return Grid(
        parts=parts,
        starts=starts,
        trips_over_tiles=over_tiles,
        one_tile={name: trips == 1 for name, trips in over_tiles.items()},
        trips_over_registers=over_registers,
        one_register_tile=inside,
        tiles=over_tiles["K"] * over_tiles["R"] * over_tiles["S"] * over_tiles["G"],
    )
