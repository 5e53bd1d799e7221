"""What moves in one inference beside the traffic of its layers: hand-overs, and what a host sends and takes."""

from collections.abc import Mapping, Sequence
from functools import cache, partial

from mensa_sim.hardware.host import HOST
from mensa_sim.hardware.host_traffic import HostCrossing, host_traffic
from mensa_sim.hardware.routes import Handover, Route, handovers, route_between
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Bytes that pass one resource; or without bytes, time that the host takes."""

    resource: str
    size_bytes: int
    latency_ps: int = 0
    """Before the first byte moves; it keeps nobody else from moving."""
    alone_ps: int
    """Time of the bytes with the resource to themselves."""
    energy_pj: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Bytes on their way to where others need them, over one resource after another."""

    layer: str
    """The one that made it; of what comes from a host, the first that waits."""
    crossings: tuple[Crossing, ...]
    after: tuple[int, ...] = ()
    """Units that must end before."""
    after_copy: int | None = None
    """Another copy that must end before."""
    dependents: tuple[int, ...] = ()
    """Units that wait for it."""

    @property
    def waits_for(self) -> int:
        """Ends that must come before it starts."""
        return len(self.after) + (self.after_copy is not None)


def homes_of_units(system: System, where: Sequence[str]) -> list[str]:
    """Where the output of each unit lies, by the accelerator that it runs on."""
    home_of = {name: system.home_of(name) for name in set(where)}
    return [home_of[name] for name in where]


def readers_by_home(handover: Handover, homes: Sequence[str]) -> dict[str, list[int]]:
    """The units that read where it lies, and those on each other home; without bytes there is nothing to move."""
    found: dict[str, list[int]] = {}
    for reader in handover.readers:
        found.setdefault(homes[reader if handover.size_bytes else handover.producer], []).append(reader)
    return found


def copies_of(
    graph: LayerGraph, system: System, members: Sequence[Sequence[Layer]], where: Sequence[str]
) -> tuple[Copy, ...]:
    """One copy for each tensor and home other than its own where it is read; then what crosses to and from a host.

    Raises `InfeasibleError` where two memories have no link.
    """
    route = cache(partial(route_between, system))
    homes = homes_of_units(system, where)
    found: list[Copy] = []
    for each in handovers(graph, members):
        found += [
            Copy(
                layer=each.layer,
                crossings=crossings_over(route(where[each.producer], where[readers[0]]), each.size_bytes),
                after=(each.producer,),
                dependents=tuple(readers),
            )
            for target, readers in readers_by_home(each, homes).items()
            if target != homes[each.producer]
        ]
    return (*found, *_host_copies(graph, system, members, where, len(found)))


def crossings_over(route: Route, size_bytes: int) -> tuple[Crossing, ...]:
    """Bytes over one resource of a route after another."""
    return tuple(
        Crossing(
            resource=leg.resource,
            size_bytes=size_bytes,
            latency_ps=leg.latency_ps,
            alone_ps=leg.time_ps(size_bytes) - leg.latency_ps,
            energy_pj=leg.energy_pj(size_bytes),
        )
        for leg in route.legs
    )


def _host_copies(
    graph: LayerGraph, system: System, members: Sequence[Sequence[Layer]], where: Sequence[str], first: int
) -> list[Copy]:
    """The host prepares; inputs and instructions go to each accelerator before its layers; outputs come after them.

    `first` is the place of the first of these copies among all.
    """
    if system.host is None or not members:
        return []
    overhead = Crossing(resource=HOST, size_bytes=0, alone_ps=system.host.overhead_ps, energy_pj={})
    found = [Copy(layer=members[0][0].name, crossings=(overhead,) if overhead.alone_ps else ())]
    for accelerator in dict.fromkeys(where):
        own = tuple(index for index, name in enumerate(where) if name == accelerator)
        layers = [layer for index in own for layer in members[index]]
        traffic = host_traffic(layers, graph, system, accelerator)
        if traffic is None:
            found.append(Copy(layer=layers[0].name, crossings=(), after_copy=first, dependents=own))
            continue
        incoming = tuple(each for part in traffic.before for each in _crossings(part))
        found.append(Copy(layer=layers[0].name, crossings=incoming, after_copy=first, dependents=own))
        outgoing = _crossings(traffic.outputs)
        if outgoing:
            found.append(Copy(layer=layers[-1].name, crossings=outgoing, after=own))
    return found


def _crossings(crossing: HostCrossing) -> tuple[Crossing, ...]:
    """The crossing if anything crosses."""
    if not crossing.size_bytes:
        return ()
    leg, size_bytes = crossing.leg, crossing.size_bytes
    energy_pj = leg.energy_pj(size_bytes) if crossing.energy_pj else {}
    return (Crossing(resource=leg.resource, size_bytes=size_bytes, alone_ps=crossing.time_ps, energy_pj=energy_pj),)
