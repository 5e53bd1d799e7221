"""Moving a tensor between memories: read where it was made, cross the link, write where it is used."""

from dataclasses import dataclass

from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.system import System
from mensa_sim.units import transfer_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStage:
    """One resource that a transfer occupies, for `latency_ps` and then at its bandwidth."""

    resource: str
    """A memory's name, or two memories joined by `-` for a link."""
    bandwidth_bytes_per_s: float
    pj_per_byte: float
    latency_ps: int = 0

    def __post_init__(self) -> None:
        if not self.bandwidth_bytes_per_s > 0 or self.pj_per_byte < 0 or self.latency_ps < 0:
            raise ValueError(
                f"transfer over {self.resource}: bandwidth must be positive, energy and latency not negative"
            )

    def time_ps(self, size_bytes: int) -> int:
        """Time of a transfer that has the resource to itself, rounded up to whole ps; nothing takes no time."""
        return self.latency_ps + transfer_ps(size_bytes, self.bandwidth_bytes_per_s) if size_bytes else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The stages of a transfer between two memories, one after the other."""

    stages: tuple[TransferStage, ...]

    def time_ps(self, size_bytes: int) -> int:
        """Time without contention: the sum over the stages; 0 for 0 bytes."""
        return sum(stage.time_ps(size_bytes) for stage in self.stages)

    def energy_pj(self, size_bytes: int) -> float:
        """Dynamic energy of the transfer."""
        return sum(stage.pj_per_byte * size_bytes for stage in self.stages)


def routes_of(system: System) -> dict[tuple[str, str], Route]:
    """The route between every ordered pair of memories that accelerators hang on.

    Raises `InfeasibleError` for a pair that no link joins.
    """
    used = list(dict.fromkeys(accelerator.memory for accelerator in system.accelerators))
    routes: dict[tuple[str, str], Route] = {}
    for source in used:
        for target in used:
            if source != target:
                routes[source, target] = _route(system, source, target)
    return routes


def _route(system: System, source: str, target: str) -> Route:
    link = system.link_between(source, target)
    if link is None:
        raise InfeasibleError(
            f"system {system.name}: no link joins the memories {source} and {target}, so nothing can be handed over; "
            f"add `links: [{{between: [{source}, {target}], ...}}]`"
        )
    read, write = system.memories[source], system.memories[target]
    return Route(
        stages=(
            TransferStage(
                resource=source,
                bandwidth_bytes_per_s=read.effective_bytes_per_s,
                pj_per_byte=read.transfer_pj(read_bytes=1),
            ),
            TransferStage(
                resource="-".join(link.between),
                bandwidth_bytes_per_s=link.bandwidth_bytes_per_s,
                pj_per_byte=link.transfer_pj(1),
                latency_ps=link.latency_ps,
            ),
            TransferStage(
                resource=target,
                bandwidth_bytes_per_s=write.effective_bytes_per_s,
                pj_per_byte=write.transfer_pj(write_bytes=1),
            ),
        )
    )
