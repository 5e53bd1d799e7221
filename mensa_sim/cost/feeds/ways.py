"""How an accelerator gets at what lies on the chip outside its own levels: over which resources, and at what cost."""

from collections.abc import Mapping

from mensa_sim.cost.energy import access_pj
from mensa_sim.cost.layer_cost import Feed
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Link
from mensa_sim.hardware.routes import link_name
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE

SHARED = "shared_buffer"
"""The component that the energy of a memory on the chip is booked under."""
LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageLeg:
    """One resource on the way, which bytes occupy while they stream through it."""

    resource: str
    bandwidth_bytes_per_s: float
    latency_ps: int = 0
    pj_per_byte: Mapping[str, float]
    """By component."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Hops that bytes stream through at the same time."""

    hops: tuple[PassageLeg, ...]

    @property
    def pj_per_byte(self) -> float:
        """All hops together."""
        return sum(sum(hop.pj_per_byte.values()) for hop in self.hops)

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """That of the slowest hop."""
        return min(hop.bandwidth_bytes_per_s for hop in self.hops)

    def feeds(self, size_bytes: int) -> tuple[Feed, ...]:
        """What so many bytes ask of each resource."""
        return tuple(
            Feed(
                resource=hop.resource,
                size_bytes=size_bytes,
                bandwidth_bytes_per_s=hop.bandwidth_bytes_per_s,
                latency_ps=hop.latency_ps,
                energy_pj={name: energy * size_bytes for name, energy in hop.pj_per_byte.items() if energy},
            )
            for hop in self.hops
        )


def from_shared(system: System, memory: str) -> Passage:
    """Reading a memory on the chip."""
    return _shared(system, memory, system.memories[memory].transfer_pj(read_bytes=1))


def to_shared(system: System, memory: str) -> Passage:
    """Writing one."""
    return _shared(system, memory, system.memories[memory].transfer_pj(write_bytes=1))


def _shared(system: System, memory: str, pj_per_byte: float) -> Passage:
    bandwidth = system.memories[memory].effective_bytes_per_s
    return Passage(
        hops=(PassageLeg(resource=memory, bandwidth_bytes_per_s=bandwidth, pj_per_byte={SHARED: pj_per_byte}),)
    )


def from_level(system: System, holder: str, reader: str) -> Passage | None:
    """Reading the activation level of another accelerator, over the fewest links; none where none lead there.

    Each access opens a word of that level; its port is taken to have time for it beside its own array.
    """
    spec = system.accelerator(holder).spec
    level = spec.buffer("activation") if isinstance(spec, PeArray) else None
    links = _links(system, holder, reader)
    if level is None or not links:
        return None
    read_pj, _ = access_pj(system.accelerator(holder).technology, level)
    opened = {level.component: read_pj * BITS_PER_BYTE / level.access_bits}
    hops = [_hop(link) for link in links]
    first = PassageLeg(
        resource=hops[0].resource,
        bandwidth_bytes_per_s=hops[0].bandwidth_bytes_per_s,
        latency_ps=hops[0].latency_ps,
        pj_per_byte={**opened, **hops[0].pj_per_byte},
    )
    return Passage(hops=(first, *hops[1:]))


def _hop(link: Link) -> PassageLeg:
    return PassageLeg(
        resource=link_name(link),
        bandwidth_bytes_per_s=float(link.bandwidth_bytes_per_s),
        latency_ps=link.latency_ps,
        pj_per_byte={LINK: link.transfer_pj(1)},
    )


def _links(system: System, source: str, target: str) -> tuple[Link, ...]:
    """The fewest links from one accelerator to another, the first in the file's order; none where none lead there."""
    paths: dict[str, tuple[Link, ...]] = {source: ()}
    names = {placed.name for placed in system.accelerators}
    front = [source]
    while front and target not in paths:
        reached = []
        for at in front:
            for link in system.links:
                if at in link.between:
                    other = link.between[1] if link.between[0] == at else link.between[0]
                    if other in names and other not in paths:
                        paths[other] = (*paths[at], link)
                        reached.append(other)
        front = reached
    return paths.get(target, ())
