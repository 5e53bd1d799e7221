"""One nest that is to be mapped on an accelerator, and what is known of it before any candidate is priced."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from mensa_sim.cost.counts.counts import sums_per_element
from mensa_sim.cost.counts.ways import Precision, Way, ways
from mensa_sim.cost.counts.window import Window, window_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import splits
from mensa_sim.cost.mapping.chains import Chain, Rooms, chains
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.pe_array import PeArray
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
def extents_above(size: int, inside: int, limit: int) -> tuple[int, ...]:
    """Extents that are tried along a dim for tiles of smaller ones, the whole dim first."""
    return tuple(min(size, inside * cut) for cut in splits(-(-size // inside), limit))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The tiles of the last stage above one chain of inner ones: every combination of extents."""

    task: "NestTask"
    chain: Chain
    extents: Mapping[str, tuple[int, ...]]
    """Extents tried along each dim."""
    choices: tuple[int, ...]
    """How many there are along each dim."""


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
        found = chains(nest, target.accelerator, unrolling, self.ways, limits)
        self.parts = [self._part(each) for each in found if self._inside(each)]
        self.entries = sum(prod(part.choices) for part in self.parts)
        """Combinations of extents of all stages."""
        self.constant_pj = self._constant_pj()

    def _inside(self, chain: Chain) -> bool:
        """Whether its tiles lie in the extents that are fixed."""
        return all(chain.tiles[-1][dim] <= extent for dim, extent in self._tile.items())

    def _part(self, chain: Chain) -> Part:
        inside, sizes = chain.tiles[-1], self.unrolling.sizes
        extents = {dim: extents_above(size, inside[dim], self._limits[dim]) for dim, size in sizes.items()}
        extents |= {dim: (extent,) for dim, extent in self._tile.items()}
        return Part(task=self, chain=chain, extents=extents, choices=tuple(map(len, extents.values())))

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
        short = Rooms(self.nest, self.target.accelerator, self.ways, 0).short(self.unrolling.lanes)
        held = f"the registers of its {' and '.join(short)} hold" if short else "its inner levels hold"
        return f"one pass of the array needs more than {held}"
