"""How an accelerator gets at what lies on the chip outside its own levels: over which resources, and at what cost.

A layer costs accordingly less of its own memory where some of its tensors lie there, or are read for it by another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.energy import access_pj
from mensa_sim.cost.layer_cost import MEMORY, Feed, LayerCost, Traffic
from mensa_sim.cost.vector import vector_work
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Link, Memory
from mensa_sim.hardware.routes import link_name
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer

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
    read_pj, _ = access_pj(system.accelerator(holder), level)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """Where what a layer reads and writes lies, as far as it is not in its accelerator's levels or memory."""

    inputs: tuple[tuple[Passage, int], ...] = ()
    """The way to a part of its input, and the bytes of it that the layer reads."""
    output: tuple[Passage, Passage] | None = None
    """Where its output is written, and the way back for partial sums."""
    heard: frozenset[Operand] = frozenset()
    """Operands that another piece of its layer reads from memory at the same time: they come to it too."""

    @property
    def moves(self) -> bool:
        """Whether anything is elsewhere."""
        return bool(self.inputs or self.output or self.heard)


def moved_cost(cost: LayerCost, layer: Layer, system: System, fed: Fed, beside: int = 0) -> LayerCost:
    """The cost with its traffic where `fed` says; tiles, cycles and the accelerator's own levels stay as they are.

    `beside` are the bytes of its input that the cost takes from the accelerator's own level already: of what is left,
    each part has its share of every fetch.
    """
    left_bytes = max(1, layer.input_bytes - beside)
    inputs: set[str] = {"input", "weight"} if layer.weights_are_activations else {"input"}
    vector_input = vector_work(layer, system.accelerator(cost.accelerator).array).input_bytes
    taken = [0] * len(fed.inputs)
    written = read_back = heard = read_saved = write_saved = 0
    traffic: list[Traffic] = []
    for each in cost.traffic:
        if each.level != MEMORY:
            traffic.append(each)
            continue
        read, write = each.read_bytes, each.write_bytes
        share = read if each.operand in inputs else min(read, vector_input) if each.operand == "vector" else 0
        for place, (_, size_bytes) in enumerate(fed.inputs):
            part = share * min(size_bytes, left_bytes) // left_bytes
            taken[place] += part
            read -= part
        if each.operand in fed.heard:
            heard += read
            read = 0
        elif each.operand == "vector" and "weight" in fed.heard:  # biases and scales come with the weights
            heard += max(0, each.read_bytes - share)
            read -= max(0, each.read_bytes - share)
        if fed.output is not None and each.operand in ("output", "vector"):
            written += write
            write = 0
            if each.operand == "output":
                read_back += read
                read = 0
        read_saved += each.read_bytes - read
        write_saved += each.write_bytes - write
        stays = (read, write) == (each.read_bytes, each.write_bytes)
        traffic.append(each if stays else replace(each, read_bytes=read, write_bytes=write))
    feeds = [feed for (way, _), size in zip(fed.inputs, taken, strict=True) if size for feed in way.feeds(size)]
    if fed.output is not None:
        feeds += [
            feed for way, size in zip(fed.output, (written, read_back), strict=True) if size for feed in way.feeds(size)
        ]
    saved = read_saved, write_saved
    return less_moved(cost, traffic, system.memory_of(cost.accelerator), saved, _joined(feeds), heard)


def less_moved(
    cost: LayerCost,
    traffic: Sequence[Traffic],
    memory: Memory,
    saved: tuple[int, int],
    feeds: Sequence[Feed] = (),
    heard_bytes: int = 0,
) -> LayerCost:
    """The cost with that traffic, of which so many bytes less are read from memory and written there."""
    kept = tuple(each for each in traffic if each.read_bytes or each.write_bytes)
    reads = sum(each.read_bytes for each in kept if each.level == MEMORY)
    writes = sum(each.write_bytes for each in kept if each.level == MEMORY)
    pj = dict(cost.dynamic_pj)
    rest_pj = pj.pop(MEMORY, 0.0) - memory.transfer_pj(read_bytes=saved[0], write_bytes=saved[1])
    if reads + writes:
        pj[MEMORY] = max(0.0, rest_pj)
    return cost.changed(
        traffic=kept,
        head_bytes=min(cost.head_bytes, reads),
        tail_bytes=min(cost.tail_bytes, writes),
        dynamic_pj=pj,
        feeds=(*cost.feeds, *feeds),
        heard_bytes=heard_bytes,
    )


def _joined(feeds: Sequence[Feed]) -> tuple[Feed, ...]:
    """One feed for each resource: what a layer moves over it in turn."""
    found: dict[str, Feed] = {}
    for feed in feeds:
        known = found.get(feed.resource)
        if known is not None:
            energy_pj: Mapping[str, float] = {
                name: known.energy_pj.get(name, 0.0) + feed.energy_pj.get(name, 0.0)
                for name in {**known.energy_pj, **feed.energy_pj}
            }
            feed = replace(known, size_bytes=known.size_bytes + feed.size_bytes, energy_pj=energy_pj)
        found[feed.resource] = feed
    return tuple(found.values())
