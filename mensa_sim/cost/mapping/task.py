"""One nest that is to be mapped on an accelerator, and what is known of it before any candidate is priced."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from math import prod
from operator import and_
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.counts import sums_per_element
from mensa_sim.cost.counts.tiles import elements_of_tiles
from mensa_sim.cost.counts.ways import Precision, Way, ways
from mensa_sim.cost.counts.window import Window, window_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import CHANNELS, doublings, splits, stage_count
from mensa_sim.cost.mapping.chains import NestTiles, Rooms, register_tiles
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What nests are priced for."""

    accelerator: PeArray
    energy: EnergyModel
    bandwidth_bytes_per_s: float
    precision: Precision
    objective: str
    """By name: what a mapping is chosen for."""
    word_bits: int = 1
    """The memory's."""


@lru_cache(maxsize=65536)
def extents_above(size: int, inside: int, limit: int, *, doubled: bool = False) -> tuple[int, ...]:
    """Extents that are tried along a dim for tiles of smaller ones, the whole dim first; also what doubles these and
    cuts the dim evenly, if it is asked for."""
    trips = -(-size // inside)
    cuts = splits(trips, limit) + (doublings(trips) if doubled else ())
    return tuple(dict.fromkeys(min(size, inside * cut) for cut in cuts))


class NestTask:
    """A nest on the array of a target: its unrolling, the ways of its operands, and its chains of inner tiles."""

    def __init__(
        self,
        nest: LoopNest,
        unrolling: Unrolling,
        target: Target,
        limits: Mapping[str, int],
        *,
        tile: Mapping[str, int] | None = None,
        order: tuple[str, ...] = (),
    ) -> None:
        """`tile` fixes extents of the last stage, `order` dims of the loops over its tiles, innermost first."""
        self.nest, self.unrolling, self.target, self._limits = nest, unrolling, target, limits
        self.order, self._tile = order, tile or {}
        self.ways: Mapping[Operand, Way] = ways(target.accelerator, unrolling, target.precision, target.word_bits)
        self.window: Window = window_of(nest)
        self._in_registers, *self.inner_rooms = (
            Rooms(target.accelerator, self.ways, stage) for stage in range(stage_count(self.ways) - 1)
        )
        """The latter are those of the stages between the registers and the last one."""
        self._last_rooms = Rooms(target.accelerator, self.ways, stage_count(self.ways) - 1)
        largest = {**unrolling.sizes, **self._tile}
        tiles = register_tiles(unrolling, self.ways, self._registers_hold, self._others_may_hold, largest)
        self.registers = self._may_hold(tiles) if self.inner_rooms else tiles
        """Tiles of the first stage; none where not even one pass of the array fits the inner levels."""
        self.entries = sum(prod(len(self.last_extents(*pair)) for pair in each.items()) for each in self.registers)
        """Combinations of extents of the last stage over those of the first one."""
        self.constant_pj = self._constant_pj()

    def _tiles(self, extents: Mapping[str, int | Floats]) -> NestTiles:
        return NestTiles(self.nest, self.window, self.unrolling.sizes, self.ways, extents)

    def _registers_hold(self, extents: Mapping[str, int | Floats]) -> Any:
        return self._in_registers.hold(self._tiles(extents))

    def _others_may_hold(self, extents: Mapping[str, int | Floats]) -> Any:
        tiles = self._tiles(extents)
        return reduce(and_, (rooms.hold(tiles, larger=True) for rooms in (*self.inner_rooms, self._last_rooms)))

    def _may_hold(self, tiles: Sequence[Mapping[str, int]]) -> list[Mapping[str, int]]:
        """Of some tiles those than which the inner levels may hold one that is no smaller."""
        each = self._tiles({dim: np.array([tile[dim] for tile in tiles], np.float64) for dim in self.unrolling.dims})
        fits = reduce(and_, (rooms.hold(each, larger=True) for rooms in self.inner_rooms))
        return [tile for tile, fit in zip(tiles, np.broadcast_to(fits, len(tiles)).tolist(), strict=True) if fit]

    def extents_above(self, dim: str, inside: int) -> tuple[int, ...]:
        """Extents that are tried along a dim around a tile of a smaller one."""
        return extents_above(self.unrolling.sizes[dim], inside, self._limits[dim])

    def inner_extents(self, dim: str, inside: int) -> list[int]:
        """Those that are tried in an inner stage, within what is fixed of the last tile."""
        size, doubled = self.unrolling.sizes[dim], dim in CHANNELS
        found = extents_above(size, inside, self._limits[dim], doubled=doubled)
        return [extent for extent in found if extent <= self._tile.get(dim, extent)]

    def last_extents(self, dim: str, inside: int) -> tuple[int, ...]:
        """Those that are tried in the last stage: the one that is fixed, if any is."""
        return (self._tile[dim],) if dim in self._tile else self.extents_above(dim, inside)

    def extents_beyond(self, dim: str, inside: Iterable[int], stages: int) -> list[int]:
        """Those that the last stage may have around tiles of so many stages further in, in rising order."""
        found = set(inside)
        for _ in range(stages - 1):
            found = {extent for each in found for extent in self.inner_extents(dim, each)}
        return sorted({extent for each in found for extent in self.last_extents(dim, each)})

    @property
    def free(self) -> bool:
        """Whether no extent of the last tile is fixed: all are multiples of those inside."""
        return not self._tile

    def elements(self, operand: Operand, extents: Mapping[str, int]) -> int:
        """Elements of all tiles of an operand with these extents."""
        return elements_of_tiles(self.unrolling, operand, self.window if operand == "input" else None, extents)

    def _constant_pj(self) -> float:
        """Energy per step that every mapping has beside its accesses: products, and hops of partial sums."""
        energy, precision, way = self.target.energy, self.target.precision, self.ways["output"]
        hops = self.nest.macs - self.nest.output_elements * sums_per_element(way, self.unrolling)
        mac_pj = energy.mac_pj(precision.weight_bits, precision.input_bits)
        return (
            self.nest.macs * (1 - self.ways["weight"].skipped) * mac_pj
            + hops * way.partial_bits * energy.hop_pj_per_bit
        )

    @property
    def shortage(self) -> str:
        """Why not even one pass of the array fits, for people."""
        short = self._in_registers.short(self._tiles(self.unrolling.lanes))
        return f"one pass of the array needs more than {' and '.join(short) or 'its inner levels hold'}"
