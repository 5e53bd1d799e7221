"""An accelerator: what all have, whether a PE array or a device that was measured."""

from collections.abc import Mapping
from typing import Literal

from mensa_sim.hardware.memory import MemoryEntry
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.names import check_folder_name
from mensa_sim.ranges import at_least, positive, share, within
from mensa_sim.records import dataclass

BufferName = Literal["parameter", "activation"]

BUFFERS: tuple[BufferName, ...] = ("parameter", "activation")

MOST_VECTOR_LANES = 2**24
"""A choice, thousands of times the most that ship."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorUnit:
    """The unit for elementwise work: one operation per lane and cycle."""

    lanes: int
    """Operations in a cycle."""

    def __post_init__(self) -> None:
        within(1, MOST_VECTOR_LANES, self, "lanes", label="vector unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerGating:
    """What an idle accelerator still draws when its supply is cut, and how long it takes to come back."""

    residual: float
    """Share of the leakage power that remains."""
    wake_up_ps: int
    """Time until it can work again."""
    source: str
    """The publication that both are from, or that they are choices."""

    def __post_init__(self) -> None:
        within(0, 1, self, "residual", label="power_gating")
        at_least(0, self, "wake_up_ps", label="power_gating")

    def cut_ps(self, idle_ps: int) -> int:
        """The part of an idle interval in which the supply is cut.

        An accelerator waits for as long as waking up would take, for nothing is known of the future, then cuts its
        supply until the next unit comes.
        """
        return max(0, idle_ps - self.wake_up_ps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """What a system knows of an accelerator of any kind: a `PeArray`, a `MeasuredDevice`, a `DatasheetDevice`."""

    name: str
    """Its name, which is also that of its folder of results and of a system of it alone."""
    placement: str
    """Where it stands, for people and for the choice of technology: `cpu_die`, `memory_logic_layer`, ..."""
    technology: str
    """Path of its technology file, relative to the file that names it; resolved by the reader."""
    clock_hz: int
    """Clock of the whole accelerator."""
    default_memory: MemoryEntry | None = None
    """The memory of the system that bears the accelerator's own name and holds nothing else."""
    power_gating: PowerGating | None = None
    """Absent: the accelerator leaks while the system is on."""
    runs: tuple[str, ...] = ()
    """Operators that it can run, alone or fused into a layer; absent: all that it does not refuse."""
    refuses: tuple[str, ...] = ()
    """Operators, alone or fused into a layer, and kinds of layers (`cost/refusals.py`) that it cannot run."""
    stops_at_refusal: bool = False
    """Whether it takes nothing either that comes after a layer that it refuses: its compiler makes one piece."""
    source: str = ""
    """The publications that the figures of this file come from."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        at_least(1, self, "clock_hz", label=self.name)

    @property
    def peak_macs_per_s(self) -> int:
        """Multiply-accumulates per second with all of it busy."""
        raise NotImplementedError

    @property
    def buffer_bytes(self) -> Mapping[BufferName, int]:
        """Capacity of what holds parameters or activations from one layer to the next; a device tells nobody."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Accelerator):
    """A device as a whole, of whose inside nothing is modelled: its layers take time and draw power."""

    macs_per_s: int
    """Peak rate, as its datasheet says."""
    power_mw: Constant | None = None
    """Power at work."""
    idle_mw: Constant | None = None
    """Power of a device that waits; absent where nobody states it."""

    def __post_init__(self) -> None:
        Accelerator.__post_init__(self)
        at_least(1, self, "macs_per_s", label=self.name)
        if self.power_mw is not None and not self.power_mw.value > (self.idle_mw.value if self.idle_mw else 0):
            raise ValueError(f"{self.name}: power_mw must be above 0, and above idle_mw")

    @property
    def peak_macs_per_s(self) -> int:
        """As its datasheet says."""
        return self.macs_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDevice(Device):
    """A device whose layers take what its kernels were measured to take; where its table holds energies, those."""

    timings: str
    """Its timing table or the fit to one: a path like `technology`."""
    timings_dtype: str | None = None
    """Element type of the timings to use, where the table has several."""
    figures: DeviceFigures | None = None
    """Its datasheet, where nobody measured it and the timings are a fit to others of its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRates:
    """What a device reaches of its peak and of its memory's bandwidth, and what each product costs besides."""

    launch_us: Constant
    """Time of each product beside its work: its kernel's launch, and those of the small operators around it."""
    compute_efficiency: Constant
    """Share of the peak rate that large products reach."""
    weight_efficiency: Constant
    """Share of the memory's bandwidth at which weights and activations stream."""
    cache_efficiency: Constant
    """Likewise of keys and values."""
    attention_efficiency: Constant | None = None
    """Share of the peak rate that products of two activations reach; none: as `compute_efficiency`."""
    unpack_weights_per_s: Constant | None = None
    """Weights of fewer than 8 bits that are made numbers again in a second, beside their streaming; none: no limit."""
    vector_ops_per_s: Constant | None = None
    """Operations on single elements in a second, beside their streaming; none: no limit."""
    logit_ns: Constant | None = None
    """Time in which the runtime looks at one token of the vocabulary, when one is chosen; none: it takes none."""
    prompt_ms: Constant | None = None
    """Time in which the runtime receives a prompt, whatever its length; none: it takes none."""

    def __post_init__(self) -> None:
        efficiencies = ("compute_efficiency", "weight_efficiency", "cache_efficiency", "attention_efficiency")
        share(self, *efficiencies, label="reached")
        positive(self, "unpack_weights_per_s", "vector_ops_per_s", label="reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasheetDevice(Device):
    """A device whose layers take what its datasheet's figures allow, at the rates that it was seen to reach."""

    reached: DeviceRates
    """What it reaches of its datasheet's figures."""
    streamed_pj_per_bit: Constant | None = None
    """Energy above idle power of each bit that streams, of layers that are bound by it; none: `power_mw` times time."""
