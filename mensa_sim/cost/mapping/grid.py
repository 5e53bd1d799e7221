"""All tile extents that are tried for a nest, as flat arrays: one entry per chain of inner tiles and tile of the last
stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, group, splits
from mensa_sim.cost.mapping.chains import Chain
from mensa_sim.cost.mapping.unrolling import Unrolling


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The tiles of the last stage above one chain of inner ones."""

    chain: Chain
    extents: Mapping[str, tuple[int, ...]]
    """Extents tried along each dim, the whole dim first."""
    chosen: Mapping[str, Indices]
    """Position of each entry's extent among them."""
    entries: int
    """Combinations of extents."""

    def tile(self, entry: int) -> dict[str, int]:
        """The last stage's tile of an entry."""
        return {dim: extents[int(self.chosen[dim][entry])] for dim, extents in self.extents.items()}


def part(unrolling: Unrolling, chain: Chain, limits: Mapping[str, int]) -> Part:
    """Every combination of extents of the last stage above a chain."""
    inside = chain.tiles[-1]
    extents = {
        dim: tuple(min(size, inside[dim] * cut) for cut in splits(-(-size // inside[dim]), limits[dim]))
        for dim, size in unrolling.sizes.items()
    }
    several = [dim for dim, options in extents.items() if len(options) > 1]
    entries = prod(len(extents[dim]) for dim in several)
    positions = np.indices([len(extents[dim]) for dim in several]).reshape(len(several), entries)
    chosen = dict.fromkeys(extents, np.zeros(entries, dtype=np.intp)) | dict(zip(several, positions, strict=True))
    return Part(chain=chain, extents=extents, chosen=chosen, entries=entries)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Trips of each group of loops over the tiles of each stage, one entry per combination."""

    parts: tuple[Part, ...]
    starts: tuple[int, ...]
    trips: tuple[Mapping[str, Floats], ...]
    """[stage][group] Tiles of a stage along the dims of a group, over the whole nest."""
    still: tuple[Mapping[str, Bools], ...]
    """[stage][group] Whether a tile of the next stage holds a single one of this along the group; over the last stage,
    whether the nest does."""
    tiles: Floats
    """Tiles of the last stage."""

    @property
    def stages(self) -> int:
        """Stages of levels, the registers included."""
        return len(self.trips)

    def locate(self, entry: int) -> tuple[Part, int]:
        """The part of an entry, and its position there."""
        index = max(i for i, start in enumerate(self.starts) if start <= entry)
        return self.parts[index], entry - self.starts[index]

    def per_part(self, values: Sequence[npt.ArrayLike]) -> Floats:
        """A number per part as one per entry."""
        return over_parts(self.parts, values)


def over_parts(parts: Sequence[Part], values: Sequence[npt.ArrayLike]) -> Floats:
    """A number per part as one per entry."""
    if len(parts) == 1:
        return np.full(parts[0].entries, values[0], dtype=np.float64)
    return np.repeat(np.array(values, dtype=np.float64), [p.entries for p in parts])


def per_entry(parts: Sequence[Part], dim: str, value: Callable[[int], float]) -> Floats:
    """A function of the last stage's extent along a dim, one number per entry."""
    columns = [np.array([float(value(e)) for e in p.extents[dim]])[p.chosen[dim]] for p in parts]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def grid(unrolling: Unrolling, chains: Sequence[Chain], limits: Mapping[str, int]) -> Grid:
    """The grid of all combinations over some chains of inner tiles."""
    parts = tuple(part(unrolling, chain, limits) for chain in chains)
    total = sum(p.entries for p in parts)
    stages = len(chains[0].tiles) + 1
    trips = [{name: np.ones(total) for name in ALL_GROUPS} for _ in range(stages)]
    still = [{name: np.ones(total, dtype=bool) for name in ALL_GROUPS} for _ in range(stages)]
    for dim, size in unrolling.sizes.items():
        if size == unrolling.lanes[dim]:
            continue
        name = group(dim)
        extents = [over_parts(parts, [p.chain.tiles[stage][dim] for p in parts]) for stage in range(stages - 1)]
        extents.append(per_entry(parts, dim, float))
        for stage, extent in enumerate(extents):
            trips[stage][name] = trips[stage][name] * np.ceil(size / extent)
        for stage, (inner, outer) in enumerate(pairwise(extents)):
            still[stage][name] &= inner == outer
    still[-1] = {name: count == 1 for name, count in trips[-1].items()}
    last = trips[-1]
    return Grid(
        parts=parts,
        starts=tuple(accumulate((p.entries for p in parts[:-1]), initial=0)),
        trips=tuple(trips),
        still=tuple(still),
        tiles=last["K"] * last["R"] * last["S"] * last["G"],
    )
