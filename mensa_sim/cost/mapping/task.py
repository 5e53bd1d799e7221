"""One nest that is to be mapped on an accelerator, and what is known of it before any candidate is priced."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from mensa_sim.cost.counts.counts import sums_per_element
from mensa_sim.cost.counts.tiles import elements_of_tiles
from mensa_sim.cost.counts.ways import Precision, Way, ways
from mensa_sim.cost.counts.window import Window, window_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import CHANNELS, doublings, splits, stage_count
from mensa_sim.cost.mapping.capacity import whole_bits
from mensa_sim.cost.mapping.chains import RegisterTiles, Rooms
from mensa_sim.cost.mapping.nest_tiles import NestTiles
from mensa_sim.cost.mapping.registers import registers_of
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
def extents_above(size: int, inside: int, limit: int, *, beside: int = 0, doubled: bool = False) -> tuple[int, ...]:
    """Extents that are tried along a dim for tiles of smaller ones, the whole dim first; also what doubles these and
    cuts the dim evenly, if it is asked for; but not those that are tried for larger ones beside."""
    trips = -(-size // inside)
    cuts = splits(trips, limit) + (doublings(trips) if doubled else ())
    without = extents_above(size, beside, limit, doubled=doubled) if beside else ()
    return tuple(dict.fromkeys(extent for cut in cuts if (extent := min(size, inside * cut)) not in without))


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
        self.window: Window = window_of(nest, unrolling.dims)
        self.register_rooms, *self.inner_rooms = (
            Rooms(target.accelerator, self.ways, stage) for stage in range(stage_count(self.ways) - 1)
        )
        """The latter are those of the stages between the registers and the last one."""
        self.last_rooms = Rooms(target.accelerator, self.ways, stage_count(self.ways) - 1)
        self.constant_pj = self._constant_pj()

    @cached_property
    def registers(self) -> RegisterTiles:
        """Tiles of the first stage; none where not even one pass of the array fits the inner levels."""
        return registers_of([self])[0]

    @cached_property
    def entries(self) -> int:
        """Combinations of extents of the last stage over those of the first one."""
        found = [1] * len(self.registers)
        each = (self.registers.extents.T.tolist(), self.registers.larger.T.tolist())
        for dim, inside, beside in zip(self.unrolling.dims, *each, strict=True):
            pairs = list(zip(inside, beside, strict=True))
            many = {pair: len(self.last_extents(dim, *pair)) - (pair[1] > 0) for pair in set(pairs)}
            found = [entries * many[pair] for entries, pair in zip(found, pairs, strict=True)]
        return sum(found)

    def largest(self, dim: str) -> int:
        """The largest extent along a dim."""
        return self._tile.get(dim, self.unrolling.sizes[dim])

    def makes_last(self, dim: str, extent: int) -> bool:
        """Whether the last tile's extent along a dim, if it is fixed, is the whole dim or made of tiles of this one."""
        last = self.largest(dim)
        return extent <= last and (last % extent == 0 or last == self.unrolling.sizes[dim])

    def inner_extents(self, dim: str, inside: int, beside: int = 0) -> tuple[int, ...]:
        """Extents that are tried along a dim of an inner stage around a tile of a smaller one, such that the last tile
        may be made of them, but for those that are tried around a larger tile beside."""
        size, limit, doubled = self.unrolling.sizes[dim], self._limits[dim], dim in CHANNELS
        found = extents_above(size, inside, limit, beside=beside, doubled=doubled)
        return tuple(extent for extent in found if self.makes_last(dim, extent)) if dim in self._tile else found

    def last_extents(self, dim: str, inside: int, beside: int = 0) -> tuple[int, ...]:
        """Those of the last stage: the one that is fixed, if any is, or the whole dim and the others that are tried; it
        is tried itself unless there is a larger tile beside."""
        if dim in self._tile:
            return (self._tile[dim],)
        size = self.unrolling.sizes[dim]
        found = extents_above(size, inside, self._limits[dim], beside=beside)
        return (size, *found) if beside else found

    def extents_beyond(self, dim: str, inside: Iterable[int], stages: int) -> list[int]:
        """Those that the last stage may have around tiles of so many stages further in, in rising order."""
        found = set(inside)
        for _ in range(stages - 1):
            found = {extent for each in found for extent in self.inner_extents(dim, each)}
        return sorted({extent for each in found for extent in self.last_extents(dim, each)})

    @cached_property
    def every_last_extent(self) -> dict[str, list[int]]:
        """By dim those that the last stage may have around any tile of the registers, in rising order."""
        stages, inside = stage_count(self.ways) - 1, self.registers.extents.T.tolist()
        return {
            dim: self.extents_beyond(dim, set(each), stages)
            for dim, each in zip(self.unrolling.dims, inside, strict=True)
        }

    @property
    def free(self) -> bool:
        """Whether no extent of the last tile is fixed."""
        return not self._tile

    def elements(self, operand: Operand, extents: Mapping[str, int]) -> int:
        """Elements of all tiles of an operand with these extents."""
        return elements_of_tiles(self.unrolling, operand, self.window if operand == "input" else None, extents)

    def kept_bits(self, operand: Operand) -> int:
        """Bits of an instance of an operand's outermost SRAM that it takes as long as all of it stays there."""
        return -(-whole_bits(self.nest, self.target.precision)[operand] // self.ways[operand].stops[-1].spread)

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
        lanes = {dim: np.array([float(each)]) for dim, each in self.unrolling.lanes.items()}
        short = self.register_rooms.short(NestTiles([self], np.zeros(1, dtype=np.intp), lanes))
        return f"one pass of the array needs more than {' and '.join(short) or 'its inner levels hold'}"


def take_registers(tasks: Sequence[NestTask]) -> None:
    """Finds the registers' tiles of nests that are alike together, which takes less time than one after another."""
    new = [task for task in tasks if "registers" not in vars(task)]
    for task, registers in zip(new, registers_of(new) if new else (), strict=True):
        task.registers = registers
