"""An accelerator: what all have, whether a PE array or a device that was measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mensa_sim.hardware.memory import MemoryEntry
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.names import check_folder_name

BufferName = Literal["parameter", "activation"]

BUFFERS: tuple[BufferName, ...] = ("parameter", "activation")


def at_least(record: str, minimum: float, **values: float) -> None:
    """Refuses values below a minimum, by name."""
    for name, value in values.items():
        if not value >= minimum:
            raise ValueError(f"{record}: {name} is {value}, must be at least {minimum}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorUnit:
    """The unit for elementwise work: one operation per lane and cycle."""

    lanes: int

    def __post_init__(self) -> None:
        at_least("vector unit", 1, lanes=self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerGating:
    """What an idle accelerator still draws when its supply is cut, and how long it takes to come back."""

    residual: float
    """Share of the leakage power that remains."""
    wake_up_ps: int
    source: str

    def __post_init__(self) -> None:
        at_least("power_gating", 0, residual=self.residual, wake_up_ps=self.wake_up_ps)
        if self.residual > 1:
            raise ValueError(f"power_gating: residual is {self.residual}, must be at most 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """What a system knows of an accelerator of either kind, a `PeArray` or a `MeasuredDevice`."""

    name: str
    placement: str
    """Where it stands, for people and for the choice of technology: `cpu_die`, `memory_logic_layer`, ..."""
    technology: str
    """Path of its technology file, relative to the file that names it; resolved by the reader."""
    clock_hz: int
    default_memory: MemoryEntry | None = None
    """The memory of the system that bears the accelerator's own name and holds nothing else."""
    power_gating: PowerGating | None = None
    """Absent: the accelerator leaks while the system is on."""
    refuses: tuple[str, ...] = ()
    """Operators that it cannot run."""
    source: str = ""
    """The publications that the figures of this file come from."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        at_least(self.name, 1, clock_hz=self.clock_hz)

    @property
    def peak_macs_per_s(self) -> int:
        """Multiply-accumulates per second with all of it busy."""
        raise NotImplementedError

    @property
    def buffer_bytes(self) -> Mapping[BufferName, int]:
        """Capacity of what holds parameters or activations from one layer to the next; a device tells nobody."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDevice(Accelerator):
    """A device whose layers take what its kernels were measured to take."""

    timings: str
    """Its timing table or the fit to one: a path like `technology`."""
    timings_dtype: str | None = None
    """Element type of the timings to use, where the table has several."""
    macs_per_s: int
    """Peak rate, as its datasheet says."""
    power_mw: Constant | None = None
    """Power at work, where its table holds no energies."""
    idle_mw: Constant | None = None
    """Power of a device that waits; absent where nobody states it."""

    def __post_init__(self) -> None:
        Accelerator.__post_init__(self)
        at_least(self.name, 1, macs_per_s=self.macs_per_s)
        if self.power_mw is not None and not self.power_mw.value > (self.idle_mw.value if self.idle_mw else 0):
            raise ValueError(f"{self.name}: power_mw must be above 0, and above idle_mw")

    @property
    def peak_macs_per_s(self) -> int:
        """As its datasheet says."""
        return self.macs_per_s
