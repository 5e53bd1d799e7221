"""What a scheduler places: units, what each accelerator asks for them, and the bytes that flow between them."""

from dataclasses import dataclass

from mensa_sim.errors import InfeasibleError


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

    def __post_init__(self) -> None:
        if min(self.latency_ps, self.compute_ps, self.memory_ps) < 0 or not 0 <= self.energy_pj < float("inf"):
            raise ValueError("option: times must not be negative, energy neither, and finite")


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

    @property
    def allowed(self) -> tuple[int, ...]:
        """The accelerators that can run it and that its pin allows."""
        able = (index for index, option in enumerate(self.options) if isinstance(option, Option))
        return tuple(index for index in able if self.pin is None or index == self.pin)

    def option(self, accelerator: int) -> Option:
        """The cost on an accelerator; `InfeasibleError` says why where it cannot run."""
        option = self.options[accelerator]
        if isinstance(option, Refusal):
            raise InfeasibleError(f"{self.name} cannot run there: {option.reason}")
        return option


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Activations from one unit to a later one, by index."""

    producer: int
    consumer: int
    size_bytes: int
