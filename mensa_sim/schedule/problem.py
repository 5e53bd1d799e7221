"""The scheduling problem in plain numbers: units, accelerators, what each pair costs, and what flows between."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import Literal, get_args

from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.routes import Route
from mensa_sim.objective import DEFAULT_OBJECTIVE, objective_named
from mensa_sim.records import dataclass
from mensa_sim.schedule.unit import Refusal, Unit, UnitTensor
from mensa_sim.units import leakage_pj

Execution = Literal["serial", "parallel"]
_NAMED = 5
"""Units with the same fault that a message names."""
EXECUTIONS: tuple[str, ...] = get_args(Execution)


@dataclass(frozen=True, kw_only=True, repr=False)
class Problem:
    """Units in topological order, what they cost where, what flows, and what is to be minimised.

    `execution` says what a predicted latency is. `serial`: layer after layer, transfers included, the sum that can be
    proved optimal. `parallel`: branches overlap on different accelerators and share memories and links (list schedule).
    """

    name: str
    accelerators: tuple[str, ...]
    memories: tuple[str, ...]
    """The memory of each accelerator; its own name where tensors stay on its chip: between equal names nothing is
    copied."""
    channels: tuple[str, ...] = ()
    """The memory whose channel each accelerator's traffic takes; `memories` where not given."""
    turns: Mapping[str, str] = field(default_factory=dict)
    """By way into a memory whose ways are served in turns, that memory: its time is the one channel of all of them."""
    units: tuple[Unit, ...]
    tensors: tuple[UnitTensor, ...]
    routes: Mapping[tuple[str, str], Route] = field(default_factory=dict)
    """From memory to memory, for every pair that differs."""
    static_mw: float
    """Power that the whole system draws however little it does: leakage, memory background, its board."""
    families: Mapping[int, int] = field(default_factory=dict)
    """The accelerator that the system names for a family."""
    objective: str = DEFAULT_OBJECTIVE
    deadline_ps: int | None = None
    execution: Execution = "serial"
    host_ps: int = 0
    """Time in which a host prepares an inference, before anything of it runs."""

    def __repr__(self) -> str:
        return f"<Problem: {len(self.units)} units on {', '.join(self.accelerators)}, for {self.objective}>"

    def __post_init__(self) -> None:
        count = len(self.accelerators)
        if not count or {len(self.memories), len(self.channels) or count} != {count}:
            raise ValueError(f"{self.name}: accelerators and memories must be as many, at least one")
        for unit in self.units:
            if len(unit.options) != count:
                raise ValueError(f"{self.name}: {unit.name} has {len(unit.options)} options for {count} accelerators")
        if any(tensor.readers[-1] >= len(self.units) for tensor in self.tensors):
            raise ValueError(f"{self.name}: a tensor is read by a unit that does not exist")
        for source in self.memories:
            for target in self.memories:
                if source != target and (source, target) not in self.routes:
                    raise ValueError(f"{self.name}: no route from {source} to {target}")
        if self.static_mw < 0:
            raise ValueError(f"{self.name}: the static power is negative")
        if not self.units:
            raise InfeasibleError(
                f"{self.name}: there is no layer to run: all that the model does is folding or re-indexing"
            )
        self._check_goal()

    def _check_goal(self) -> None:
        objective_named(self.objective)
        if self.execution not in EXECUTIONS:
            raise UsageError(f"unknown execution {self.execution!r}; choose from {', '.join(EXECUTIONS)}")
        if self.deadline_ps is not None and self.deadline_ps < 1:
            raise UsageError(f"a deadline of {self.deadline_ps} ps is not positive")

    @property
    def static_pj_per_ps(self) -> float:
        """That power as energy per time."""
        return leakage_pj(self.static_mw, 1)

    def channel(self, accelerator: int) -> str:
        """The memory whose channel an accelerator's traffic takes."""
        return self.channel_of((self.channels or self.memories)[accelerator])

    def channel_of(self, resource: str) -> str:
        """The channel whose time a transfer over a memory or a link takes."""
        return self.turns.get(resource, resource)

    @cached_property
    def incoming(self) -> tuple[tuple[UnitTensor, ...], ...]:
        """The tensors that each unit reads, in the order given."""
        found: list[list[UnitTensor]] = [[] for _ in self.units]
        for tensor in self.tensors:
            for reader in tensor.readers:
                found[reader].append(tensor)
        return tuple(tuple(tensors) for tensors in found)

    @cached_property
    def outgoing(self) -> tuple[tuple[UnitTensor, ...], ...]:
        """The tensors that each unit makes, in the order given."""
        found: list[list[UnitTensor]] = [[] for _ in self.units]
        for tensor in self.tensors:
            found[tensor.producer].append(tensor)
        return tuple(tuple(tensors) for tensors in found)

    @cached_property
    def _copy_ps(self) -> dict[tuple[int, str, str], int]:
        return {}

    def transfer_ps(self, size_bytes: int, source: str, target: str) -> int:
        """Time to copy bytes between memories: 0 for none, and within one, where reading and writing are layer cost."""
        if source == target:
            return 0
        key = size_bytes, source, target
        if key not in self._copy_ps:
            self._copy_ps[key] = self.routes[source, target].time_ps(size_bytes)
        return self._copy_ps[key]

    def transfer_pj(self, size_bytes: int, source: str, target: str) -> float:
        """Dynamic energy of copying bytes between memories."""
        return self.routes[source, target].energy_pj(size_bytes) if source != target else 0.0

    def copies(self, tensor: UnitTensor, place_of: Callable[[int], int]) -> Iterator[tuple[int, str, str]]:
        """Bytes, and from which memory to which, of a tensor's copies by places of units; within one: no cost."""
        source = self.memories[place_of(tensor.producer)]
        for target in dict.fromkeys(self.memories[place_of(reader)] for reader in tensor.readers):
            yield tensor.size_bytes, source, target

    def total_pj(self, dynamic_pj: float, latency_ps: float) -> float:
        """Energy of an inference: dynamic, and the static power of the whole system over its latency."""
        return dynamic_pj + self.static_pj_per_ps * latency_ps

    def value(self, dynamic_pj: float, latency_ps: float) -> float:
        """What the objective makes of a latency and a dynamic energy, in powers of pJ and ps."""
        return float(objective_named(self.objective).value(self.total_pj(dynamic_pj, latency_ps), latency_ps))

    def rates(self, dynamic_pj: float, latency_ps: float) -> tuple[float, float]:
        """What a pJ and a ps more add to the objective of those, the static energy of the ps included."""
        point = self.total_pj(dynamic_pj, latency_ps), float(latency_ps)
        per_pj, per_ps = objective_named(self.objective).rates(point, point)
        return per_pj, per_ps + per_pj * self.static_pj_per_ps


def require_runnable(problem: Problem) -> None:
    """Raise `InfeasibleError` naming every unit that no accelerator, or not its pinned one, can run."""
    alike: dict[tuple[bool, str], list[str]] = {}
    for unit in problem.units:
        if not unit.allowed:
            tried = range(len(problem.accelerators)) if unit.pin is None else [unit.pin]
            alike.setdefault((unit.pin is None, _reasons(problem, unit, tried)), []).append(unit.name)
    faults = []
    for (free, reasons), names in alike.items():
        which = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        are = "is" if len(names) == 1 else "are"
        fault = (
            f"no accelerator can run {which}" if free else f"{which} {are} pinned to an accelerator that cannot run it"
        )
        faults.append(f"{fault} ({reasons})")
    if faults:
        raise InfeasibleError(f"{problem.name}: " + "; ".join(faults))


def fault_at(problem: Problem, unit: Unit, place: int) -> str | None:
    """Why a unit may not stand on an accelerator; none where it may."""
    option = unit.options[place]
    if isinstance(option, Refusal):
        return f"{problem.accelerators[place]} cannot run {unit.name}: {option.reason}"
    return None if unit.pin in (None, place) else f"{unit.name} is pinned to {problem.accelerators[unit.pin or 0]}"


def _reasons(problem: Problem, unit: Unit, accelerators: "range | list[int]") -> str:
    found = []
    for index in accelerators:
        option = unit.options[index]
        if isinstance(option, Refusal):
            found.append(f"{problem.accelerators[index]}: {option.reason}")
    return "; ".join(found)
