"""How a tensor gets from where it lies to where it is read: what is handed over, and over which resources it goes."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Link
from mensa_sim.hardware.system import System
from mensa_sim.hardware.technology.sram import access_pj
from mensa_sim.ranges import at_least, positive
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, transfer_ps
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One resource that a transfer occupies, for `latency_ps` and then at its bandwidth."""

    resource: str
    """A memory's name, or two memories joined by `-` for a link."""
    bandwidth_bytes_per_s: float
    pj_per_byte: Mapping[str, float]
    """Dynamic energy, by the component that it counts as: `memory`, `link`, or that of a level or an on-chip memory."""
    latency_ps: int = 0

    def __post_init__(self) -> None:
        positive(self, "bandwidth_bytes_per_s", label=f"transfer over {self.resource}")
        at_least(0, self, "latency_ps", label=f"transfer over {self.resource}")
        if not all(pj >= 0 for pj in self.pj_per_byte.values()):
            raise ValueError(f"transfer over {self.resource}: pj_per_byte is {self.pj_per_byte}, must not be negative")

    def time_ps(self, size_bytes: int) -> int:
        """Time of a transfer that has the resource to itself, rounded up to whole ps; nothing takes no time."""
        return self.latency_ps + transfer_ps(size_bytes, self.bandwidth_bytes_per_s) if size_bytes else 0

    def energy_pj(self, size_bytes: int) -> dict[str, float]:
        """Dynamic energy of so many bytes, by component."""
        return {component: pj * size_bytes for component, pj in self.pj_per_byte.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The legs of a transfer: a copy takes one after the other, what a layer reads at work streams through all."""

    legs: tuple[Leg, ...]

    def time_ps(self, size_bytes: int) -> int:
        """Time of a copy without contention: the sum over the legs; 0 for 0 bytes."""
        return sum(leg.time_ps(size_bytes) for leg in self.legs)

    def energy_pj(self, size_bytes: int) -> float:
        """Dynamic energy of the transfer."""
        return sum(sum(leg.energy_pj(size_bytes).values()) for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Bytes of one layer's output that units beside its own read: each home of a reader gets them once."""

    layer: str
    producer: int
    """Its unit."""
    readers: tuple[int, ...]
    """Units in order."""
    size_bytes: int
    """0 where nothing but an order of execution is meant."""


def link_name(link: Link) -> str:
    """The name of a link among the resources of a system.

    >>> link_name(Link(between=("b", "a"), bandwidth_bytes_per_s=1, energy_pj_per_bit=0, latency_ps=0))
    'b-a'
    """
    return "-".join(link.between)


def bandwidths_of(system: System) -> dict[str, float]:
    """What transfers reach over each memory and each link, in bytes a second, by its name among the resources."""
    memories = {name: memory.effective_bytes_per_s for name, memory in system.memories.items()}
    return memories | {link_name(link): float(link.bandwidth_bytes_per_s) for link in system.links}


def routes_of(system: System) -> dict[tuple[str, str], Route]:
    """The route between every ordered pair of homes of a system's accelerators, as `route_between` says."""
    names = {system.home_of(placed.name): placed.name for placed in system.accelerators}
    return {
        (source, target): route_between(system, names[source], names[target])
        for source in names
        for target in names
        if source != target
    }


def route_between(system: System, producer: str, reader: str) -> Route:
    """The route of what one accelerator makes to another with another home: read, over the link, and write.

    Whatever ways into their memories the two have, it is read and written over those that the link joins. A chip that a
    host feeds writes to its memory at the host's rate of outputs, and the other one reads at that of inputs; to and
    from the host's own CPU that is all. Raises `InfeasibleError` where no link joins the memories.
    """
    source, target = system.storage_of(producer), system.storage_of(reader)
    legs = _fed_legs(system, producer, source, reader, target)
    if len(legs) == 1:
        return Route(legs=legs)
    link = system.link_between(source, target)
    if link is None and source != target:
        raise InfeasibleError(
            f"system {system.name}: no link joins the memories {source} and {target}, so nothing can be handed over "
            f"from {producer} to {reader}; add `links: [{{between: [{source}, {target}], bandwidth_bytes_per_s: ..., "
            "energy_pj_per_bit: ..., latency_ps: ...}]`"
        )
    between = () if link is None else (_over(link),)
    if legs:
        return Route(legs=(legs[0], *between, legs[1]))
    ways = {} if link is None else {system.memory_behind(end): end for end in link.between}
    source, target = ways.get(source, source), ways.get(target, target)
    first, last = system.memories[source], system.memories[target]
    reads = through_memory(source, first.effective_bytes_per_s, first.transfer_pj(read_bytes=1))
    writes = through_memory(target, last.effective_bytes_per_s, last.transfer_pj(write_bytes=1))
    return Route(legs=(reads, *between, writes))


def _fed_legs(system: System, producer: str, source: str, reader: str, target: str) -> tuple[Leg, ...]:
    """Over the channels of those of two accelerators that a host feeds: out of the one, into the other."""
    legs = []
    if out := system.feeder_of(producer):
        pj = system.memories[source].transfer_pj(write_bytes=1)
        legs.append(through_memory(source, out.out_bytes_per_s, pj))
    if into := system.feeder_of(reader):
        pj = system.memories[target].transfer_pj(read_bytes=1)
        legs.append(through_memory(target, into.in_bytes_per_s, pj))
    return tuple(legs)


def through_memory(name: str, bandwidth_bytes_per_s: float, pj_per_byte: float) -> Leg:
    """Over the channel of an accelerator's memory."""
    return Leg(resource=name, bandwidth_bytes_per_s=bandwidth_bytes_per_s, pj_per_byte={"memory": pj_per_byte})


def _over(link: Link, opened_pj_per_byte: Mapping[str, float] = MappingProxyType({})) -> Leg:
    return Leg(
        resource=link_name(link),
        bandwidth_bytes_per_s=link.bandwidth_bytes_per_s,
        pj_per_byte={**opened_pj_per_byte, "link": link.transfer_pj(1)},
        latency_ps=link.latency_ps,
    )


def from_shared(system: System, memory: str) -> Route:
    """Reading a memory on the chip."""
    return _shared(system, memory, system.memories[memory].transfer_pj(read_bytes=1))


def to_shared(system: System, memory: str) -> Route:
    """Writing one."""
    return _shared(system, memory, system.memories[memory].transfer_pj(write_bytes=1))


def _shared(system: System, memory: str, pj_per_byte: float) -> Route:
    bandwidth = system.memories[memory].effective_bytes_per_s
    leg = Leg(resource=memory, bandwidth_bytes_per_s=bandwidth, pj_per_byte={"shared_buffer": pj_per_byte})
    return Route(legs=(leg,))


def from_level(system: System, holder: str, reader: str) -> Route | None:
    """Reading the activation level of another accelerator, over the fewest links; none where none lead there.

    Each access opens a word of that level; its port is taken to have time for it beside its own array.
    """
    spec = system.accelerator(holder).spec
    level = spec.buffer("activation") if isinstance(spec, PeArray) else None
    links = _fewest_links(system, holder, reader)
    if level is None or not links:
        return None
    read_pj, _ = access_pj(system.accelerator(holder), level)
    opened = {level.component: read_pj * BITS_PER_BYTE / level.access_bits}
    return Route(legs=(_over(links[0], opened), *map(_over, links[1:])))


def _fewest_links(system: System, source: str, target: str) -> tuple[Link, ...]:
    """From one accelerator to another, the first in the file's order; none where none lead there."""
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


def handovers(graph: LayerGraph, units: Sequence[Sequence[Layer]]) -> tuple[Handover, ...]:
    """What flows between the units of a graph, by producer in graph order.

    Readers of a whole output share one copy of it, a reader of a slice has its own. Slices that are more than the
    output together overlap nobody knows where: then their readers share the whole. Slices with bytes come first.
    """
    key = ("handovers", *(tuple(layer.name for layer in layers) for layers in units))
    return graph.made_once(key, lambda: _handovers(graph, units))


def _handovers(graph: LayerGraph, units: Sequence[Sequence[Layer]]) -> tuple[Handover, ...]:
    unit_of = {layer.name: index for index, layers in enumerate(units) for layer in layers}
    found: list[Handover] = []
    for layer in graph.layers:
        producer = unit_of[layer.name]
        slices: list[tuple[int, int]] = []
        whole: dict[int, set[int]] = {}
        for name in graph.successors(layer.name):
            reader, size_bytes = unit_of[name], graph.edge_bytes(layer.name, name)
            if reader == producer:
                continue
            if 0 < size_bytes < layer.output_bytes:
                slices.append((reader, size_bytes))
            else:
                whole.setdefault(size_bytes, set()).add(reader)
        if sum(size_bytes for _, size_bytes in slices) > layer.output_bytes:
            whole.setdefault(layer.output_bytes, set()).update(reader for reader, _ in slices)
            slices = []
        parts = [(size_bytes, {reader}) for reader, size_bytes in slices] + list(whole.items())
        found += [
            Handover(layer=layer.name, producer=producer, readers=tuple(sorted(readers)), size_bytes=size_bytes)
            for size_bytes, readers in parts
        ]
    return tuple(found)
