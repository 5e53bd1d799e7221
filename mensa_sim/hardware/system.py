"""A system: accelerators, the memories they hang on, and the links between memories."""

import math
from collections.abc import Mapping
from dataclasses import field, fields, replace
from typing import Self

from mensa_sim.errors import UsageError
from mensa_sim.flow import FlowName, flow_named
from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.host import HOST, HostLink
from mensa_sim.hardware.memory import Link, Memory, MemoryEntry
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.lookup import unknown_name
from mensa_sim.names import check_folder_name, repeated
from mensa_sim.objective import DEFAULT_OBJECTIVE, ObjectiveName, objective_named
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """A scheduler by name, its options, and what it and the mapper minimise."""

    scheduler: str = "mensa"
    """Its name, as `mensa-sim list schedulers` has it."""
    objective: ObjectiveName = DEFAULT_OBJECTIVE
    """What it and the mapper minimise."""
    options: Mapping[str, float] = field(default_factory=dict)
    """Options of the scheduler, e.g. the thresholds of `mensa`."""
    flow: FlowName | None = None
    """How data flows between layers, as far as its compiler can do it; absent: `layers` in `explore` and `near-data`,
    else `homes`."""

    def __post_init__(self) -> None:
        objective_named(self.objective)
        if self.flow is not None:
            flow_named(self.flow)
        for name, value in self.options.items():
            if not math.isfinite(value):
                raise ValueError(f"options.{name} is {value}, must be a finite number")


Setting = int | float | bool | str
"""What a file or `--set` may give to a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedAccelerator:
    """An accelerator of a system: its spec, its technology and the memory it hangs on."""

    spec: Accelerator
    technology: Technology
    memory: str

    @property
    def name(self) -> str:
        """The spec's name, unique in a system."""
        return self.spec.name

    @property
    def array(self) -> PeArray:
        """The spec of an accelerator with a PE array; `UsageError` for a measured one."""
        if not isinstance(self.spec, PeArray):
            raise UsageError(f"{self.name}: is measured, so it has no PE array")
        return self.spec


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class System:
    """Accelerators, memories and links; `families` names the accelerator of each layer family where the system does."""

    name: str
    memories: Mapping[str, Memory]
    accelerators: tuple[PlacedAccelerator, ...]
    links: tuple[Link, ...] = ()
    families: Mapping[int, str] = field(default_factory=dict)
    host: HostLink | None = None
    """The host that feeds the system, where its interface costs time of its own."""
    scheduling: Scheduling | None = None
    """How layers are placed unless a run says otherwise; none where the file does not say."""
    source: str = ""
    """The publications that the figures of the system's file come from."""

    @property
    def everything(self) -> tuple[object, ...]:
        """Its fields, which tell all of it as a text, where its own is short."""
        return tuple(getattr(self, each.name) for each in fields(self))

    def __repr__(self) -> str:
        return f"<System: {self.name} with {', '.join(placed.name for placed in self.accelerators)}>"

    def __post_init__(self) -> None:
        faults: list[str] = []
        names = [accelerator.name for accelerator in self.accelerators]
        if not names:
            faults.append("accelerators: is empty")
        faults += [f"accelerators: {name} stands twice" for name in sorted(repeated(names))]
        for accelerator in self.accelerators:
            if accelerator.memory not in self.memories:
                faults.append(f"accelerators.{accelerator.name}.memory: unknown memory {accelerator.memory!r}")
        for link in self.links:
            ends = {*self.memories, *names}
            faults += [f"links: unknown memory or accelerator {end!r}" for end in link.between if end not in ends]
        for family, name in self.families.items():
            if name not in names:
                faults.append(f"families.{family}: {unknown_name(name, names, 'accelerator')}")
        if self.host is not None and HOST in {*names, *self.memories}:
            faults.append(f"{HOST!r} names the host, so no memory or accelerator may be called so")
        if self.host is not None and self.host.cpu is not None:
            faults += self._cpu_faults(self.host.cpu)
        if faults:
            raise ValueError("; ".join(faults))

    def _cpu_faults(self, cpu: str) -> list[str]:
        """What is wrong with the accelerator that is the host's CPU: it is there, not alone, on a memory of its own."""
        memories = {placed.name: placed.memory for placed in self.accelerators}
        if cpu not in memories:
            return [f"host.cpu: {unknown_name(cpu, memories, 'accelerator')}"]
        fed = {name: memory for name, memory in memories.items() if name != cpu}
        if not fed:
            return [f"host.cpu: {cpu} is the only accelerator, so there is none to feed"]
        return [f"host.cpu: {cpu} hangs on {memories[cpu]}, over which it feeds others"] * (
            memories[cpu] in fed.values()
        )

    def accelerator(self, name: str) -> PlacedAccelerator:
        """The accelerator of that name."""
        for placed in self.accelerators:
            if placed.spec.name == name:
                return placed
        raise KeyError(name)

    def with_one(self, accelerator: str) -> Self:
        """The system with one of its accelerators: all that a layer costs there by itself is the same."""
        feeder = self.feeder_of(accelerator)
        return replace(
            self,
            accelerators=(self.accelerator(accelerator),),
            links=tuple(link for link in self.links if set(link.between) <= self.memories.keys()),
            families={},
            host=None if feeder is None else replace(feeder, cpu=None),
            scheduling=None,
        )

    def memory_of(self, accelerator: str) -> Memory:
        """The memory that an accelerator hangs on."""
        return self.memories[self.accelerator(accelerator).memory]

    @property
    def gated(self) -> bool:
        """Whether any of its accelerators can cut its supply."""
        return any(placed.spec.power_gating is not None for placed in self.accelerators)

    @property
    def devices(self) -> tuple[PlacedAccelerator, ...]:
        """Its accelerators but for the CPU of its host."""
        cpu = None if self.host is None else self.host.cpu
        return tuple(placed for placed in self.accelerators if placed.name != cpu)

    def home_of(self, accelerator: str) -> str:
        """Where what an accelerator makes lies: in its memory, or on its own chip where a host feeds it."""
        return self.storage_of(accelerator) if self.feeder_of(accelerator) is None else accelerator

    def feeder_of(self, accelerator: str) -> HostLink | None:
        """The host that feeds an accelerator; none where none does, as its own CPU."""
        return None if self.host is None or self.host.cpu == accelerator else self.host

    def array_of(self, accelerator: str) -> PeArray | None:
        """The PE array of an accelerator whose tiles are known: none where it was measured or a host feeds it."""
        spec = self.accelerator(accelerator).spec
        return spec if isinstance(spec, PeArray) and self.feeder_of(accelerator) is None else None

    def storage_of(self, accelerator: str) -> str:
        """The memory that holds an accelerator's data, whichever way in it has."""
        return self.memory_behind(self.accelerator(accelerator).memory)

    def memory_behind(self, way: str) -> str:
        """The memory that a way leads into; what is no memory, the chip of an accelerator, is behind itself."""
        memory = self.memories.get(way)
        return way if memory is None else memory.port_of or way

    @property
    def turns(self) -> dict[str, str]:
        """By way into a memory whose ways are served in turns, that memory."""
        return {name: memory.port_of or name for name, memory in self.memories.items() if memory.takes_turns}

    def on_chip_memories(self, *accelerators: str) -> tuple[str, ...]:
        """The memories on the chip that all of these accelerators reach."""
        reached = ((name, set(memory.reached_by)) for name, memory in self.memories.items() if memory.on_chip)
        return tuple(name for name, names in reached if names.issuperset(accelerators))

    def room_for_tensors(self, home: str) -> int:
        """Bytes of the activation level of an accelerator, or of an on-chip memory."""
        memory = self.memories.get(home)
        if memory is not None:
            return memory.capacity_bytes or 0
        return self.accelerator(home).spec.buffer_bytes.get("activation", 0)

    def link_between(self, memory: str, other: str) -> Link | None:
        """The link that joins two memories, over whichever ways into them, in either direction."""
        ends = {memory, other}
        return next((link for link in self.links if set(map(self.memory_behind, link.between)) == ends), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorEntry:
    """An accelerator of a system's file: where its own file lies, the memory it hangs on, and changed fields."""

    spec: str
    """The accelerator's file, relative to this one, or a shipped accelerator's bare name."""
    memory: str
    """The memory that it hangs on, one of `memories`, or `MEMORY.PORT`."""
    set: Mapping[str, Setting] = field(default_factory=dict)
    """Fields of the accelerator's file that differ here, by dotted name: `levels.parameter_buffer.capacity_bytes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFile:
    """A system as its file describes it."""

    name: str
    """Its name, which is also that of its folder of results."""
    memories: Mapping[str, MemoryEntry]
    """The memories by name."""
    accelerators: tuple[AcceleratorEntry, ...]
    """The accelerators, each on one memory."""
    links: tuple[Link, ...] = ()
    """How tensors get from one memory to another."""
    families: Mapping[int, str] = field(default_factory=dict)
    """For the scheduler `mensa`: the accelerator of each of the paper's five families; absent: the one with the
    family's lowest summed cost."""
    host: HostLink | None = None
    """A host that feeds the accelerators, where there is one."""
    scheduling: Scheduling | None = None
    """How layers are placed unless a run says otherwise."""
    source: str = ""
    """The publications that the figures of this file come from."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
