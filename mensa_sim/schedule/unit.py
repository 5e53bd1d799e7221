"""What a scheduler places: units, what each accelerator asks for them, and the bytes that flow between them."""

from dataclasses import field

from mensa_sim.errors import InfeasibleError
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What a unit costs on an accelerator that can run it, with the memory channel to itself."""

    latency_ps: int
    energy_pj: float
    """Dynamic energy: no leakage."""
    compute_ps: int = 0
    """Time of array and buffers alone."""
    memory_ps: int = 0
    """Time that its traffic occupies the memory channel."""
    outside_ps: int = 0
    """Of the latency, the part before and after the accelerator is at work: what crosses to and from a host."""
    phases: tuple[tuple[int, int], ...] = ()
    """What it does on its accelerator, one after another: a time of its own, and beside it the time that it uses the
    memory channel if nobody else does. What of the latency is in none uses nothing that others use."""

    def __post_init__(self) -> None:
        times_ps = self.busy_ps, self.compute_ps, self.memory_ps, self.outside_ps
        if min(times_ps) < 0 or not 0 <= self.energy_pj < float("inf"):
            raise ValueError("option: times must not be negative, energy neither, and finite")
        if self.phases and (min(map(min, self.phases)) < 0 or self.fixed_ps < 0):
            raise ValueError("option: its phases take longer than it does, or less than no time")

    @property
    def busy_ps(self) -> int:
        """How long it keeps its accelerator."""
        return self.latency_ps - self.outside_ps

    @property
    def fixed_ps(self) -> int:
        """Of the latency, what no other unit makes longer."""
        return self.latency_ps - sum(max(phase) for phase in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an accelerator cannot run a unit."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is placed as one piece: a layer, or a whole recurrent group."""

    name: str
    """The layer's name, or the group's."""
    layers: tuple[str, ...]
    options: tuple[Option | Refusal, ...]
    """By accelerator."""
    family: int | None = None
    """That of the member with the most MACs; none without MACs or parameters."""
    parameter_bytes: int = 0
    macs_per_step: int = 0
    pin: int | None = None
    """The accelerator that the user demands."""
    allowed: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The accelerators that can run it and that its pin allows."""

    def __post_init__(self) -> None:
        able = (index for index, option in enumerate(self.options) if isinstance(option, Option))
        object.__setattr__(self, "allowed", tuple(index for index in able if self.pin in (None, index)))

    def option(self, accelerator: int) -> Option:
        """The cost on an accelerator; `InfeasibleError` says why where it cannot run."""
        option = self.options[accelerator]
        if isinstance(option, Refusal):
            raise InfeasibleError(f"{self.name} cannot run there: {option.reason}")
        return option


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTensor:
    """Activations that one unit makes and later ones read, by index.

    It lies in its producer's memory and is copied once to each other memory where a reader runs. Without bytes it is
    an order of execution and nothing else.
    """

    producer: int
    readers: tuple[int, ...]
    size_bytes: int

    def __post_init__(self) -> None:
        if not self.readers or list(self.readers) != sorted(set(self.readers)) or self.size_bytes < 0:
            raise ValueError(f"tensor of unit {self.producer}: readers {self.readers}, {self.size_bytes} bytes")
        if self.producer < 0 or self.readers[0] <= self.producer:
            raise ValueError(f"tensor of unit {self.producer}: is read by {self.readers[0]}, which is no later unit")
