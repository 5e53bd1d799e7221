"""What one layer costs on one accelerator, before anyone else uses the memory."""

from collections.abc import Mapping
from dataclasses import field
from itertools import product
from typing import Literal, NamedTuple, Self

from mensa_sim.records import copier, dataclass
from mensa_sim.units import PS_PER_S, cycles_to_ps, least_ps, transfer_ps

MEMORY = "memory"
"""The level behind an accelerator's own."""

COMPONENTS = (
    "mac",
    "vector",
    "register",
    "network",
    "parameter_buffer",
    "activation_buffer",
    "shared_buffer",
    MEMORY,
    "link",
    "device",
)
"""`device`: all that a measured device draws, or one of which its maker states no more, which no meter divides."""

_KNOWN = frozenset(COMPONENTS)

Bound = Literal["compute", "buffer", "memory", "power"]


_set = object.__setattr__


class Residency(NamedTuple):
    """What already lies on chip when the layer starts, or stays there when it ends.

    The simulator picks the variant that its buffer state says. `parameters` means that none is fetched, in any step;
    without it, a recurrent layer's `steps_resident` cost fetches them once and every other one in each step.
    """

    parameters: bool = False
    input: bool = False
    output: bool = False


STREAMED = Residency()

RESIDENCIES = tuple(
    Residency(parameters=parameters, input=inputs, output=outputs)
    for parameters, inputs, outputs in product((False, True), repeat=3)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that one operand moves at one level over all steps: read from it and written to it."""

    operand: str
    """weight, input, output, or vector for elementwise work."""
    level: str
    """`MEMORY`, or the name of one of the accelerator's levels."""
    read_bytes: int
    write_bytes: int
    held_bytes: int | None = None
    """What the fullest instance of the level holds of it: its tile under the mapping; none for memory and vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a layer reads or writes over a shared on-chip memory or a link, while it works."""

    resource: str
    """The memory's name, or the link's."""
    size_bytes: int
    bandwidth_bytes_per_s: float
    latency_ps: int = 0
    energy_pj: Mapping[str, float]
    """By component, as in `LayerCost.dynamic_pj`."""

    @property
    def time_ps(self) -> int:
        """Time with the resource to itself."""
        return self.latency_ps + transfer_ps(self.size_bytes, self.bandwidth_bytes_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """Cycles, traffic and dynamic energy of one layer on one accelerator, totals over its steps.

    Leakage is not in it: that is component power times powered time, added once from the timeline.
    """

    layer: str
    accelerator: str
    residency: Residency = STREAMED
    source: Literal["analytical", "measured", "datasheet"] = "analytical"
    macs: int
    clock_hz: int
    compute_cycles: int
    """Cycles of the array and the vector unit, fill and drain included."""
    buffer_cycles: int
    """Cycles that the busiest buffer port needs, and stands still because the array waits for what passes others."""
    spatial_utilization: float = 0.0
    """MACs over PEs times the cycles that a full array would still need: the loss to dims that do not fill axes."""
    peak_macs_per_s: int
    head_bytes: int = 0
    """Bytes that must arrive before the array starts, over all steps."""
    tail_bytes: int = 0
    """Bytes that leave after the array has stopped, over all steps."""
    traffic: tuple[Traffic, ...] = ()
    dynamic_pj: Mapping[str, float] = field(default_factory=dict)
    """Dynamic energy by component; the keys are among `COMPONENTS`."""
    feeds: tuple[Feed, ...] = ()
    """What crosses no memory of the accelerator's own, but another memory on the chip or a link."""
    heard_bytes: int = 0
    """Of the bytes that it takes from memory, those that another piece of its layer reads for it too: in no traffic."""
    power_mw: float | None = None
    """What it may spend, where power is limited: then it takes no less time than its energy needs."""
    overlap: bool = True
    buffered_bytes: Mapping[str, int] = field(default_factory=dict)
    """Bytes that the mapping holds at once in a buffer, `parameter` or `activation`; absent where unknown."""
    stored_bytes: int | None = None
    """The layer's parameters as they are stored and fetched, padding included; none: the layer's own bytes."""
    mapping: str = ""
    """The tiling and loop order chosen, or where a measured time comes from; for people."""
    mapping_from: str = ""
    """Where a user fixed it, or a part of it; empty where it was searched freely."""
    floor: float | None = None
    """What no mapping's objective is below, in joules and seconds to its powers; none without a search."""
    gap: float | None = None
    """How far the mapping's objective lies above the floor: 0.05 is 5 %."""
    error_percent: float | None = None
    """Mean error of a fit to measured kernels on rows left out; none where the cost is not a fit's."""
    caveats: tuple[str, ...] = ()
    """What whoever reads its figures must know besides, in words that many layers may share."""

    def __post_init__(self) -> None:
        if min(self.macs, self.compute_cycles, self.buffer_cycles, self.head_bytes, self.tail_bytes) < 0:
            raise ValueError(f"{self.layer} on {self.accelerator}: a negative count")
        if self.head_bytes + self.tail_bytes > self.memory_bytes:
            raise ValueError(f"{self.layer} on {self.accelerator}: head and tail exceed the memory traffic")
        if unknown := self.dynamic_pj.keys() - _KNOWN:
            raise ValueError(f"{self.layer} on {self.accelerator}: unknown components {sorted(unknown)}")

    def of(self, layer: str, accelerator: str) -> Self:
        """The same cost of another layer, or on an equal accelerator; itself if it is of these."""
        same = (self.layer, self.accelerator) == (layer, accelerator)
        return self if same else self.changed(layer=layer, accelerator=accelerator)

    def changed(self, **own: object) -> Self:
        """The same cost but for some fields, which need not be checked."""
        other: Self = _copied(self)  # a table has some ten thousand of them
        for name, value in own.items():
            _set(other, name, value)
        return other

    @property
    def memory_read_bytes(self) -> int:
        """Bytes read from memory."""
        return sum(t.read_bytes for t in self.traffic if t.level == MEMORY)

    @property
    def memory_write_bytes(self) -> int:
        """Bytes written to memory."""
        return sum(t.write_bytes for t in self.traffic if t.level == MEMORY)

    @property
    def memory_bytes(self) -> int:
        """Bytes that cross the memory channel in either direction."""
        return sum(t.read_bytes + t.write_bytes for t in self.traffic if t.level == MEMORY)

    @property
    def body_bytes(self) -> int:
        """Memory traffic that may run beside the array."""
        return self.memory_bytes - self.head_bytes - self.tail_bytes

    @property
    def energy_pj(self) -> float:
        """Dynamic energy of all components."""
        return sum(self.dynamic_pj.values()) + sum(sum(feed.energy_pj.values()) for feed in self.feeds)

    @property
    def on_chip_ps(self) -> int:
        """Time of the array and the buffers when memory is infinitely fast, and no less than its power allows."""
        return max(self._cycles_ps, self._power_ps)

    @property
    def working_cycles(self) -> int:
        """Cycles in which the array or the vector unit works, or waits for its buffers."""
        return max(self.compute_cycles, self.buffer_cycles)

    @property
    def _cycles_ps(self) -> int:
        return cycles_to_ps(self.working_cycles, self.clock_hz)

    @property
    def _power_ps(self) -> int:
        return 0 if self.power_mw is None else least_ps(self.energy_pj, self.power_mw)

    def latency_ps(self, bandwidth_bytes_per_s: float) -> int:
        """Time with the whole channel to itself: head + max(on chip, body) + tail, or the sum without overlap."""
        middle_ps = self.middle_ps(transfer_ps(self.body_bytes, bandwidth_bytes_per_s))
        ends_ps = transfer_ps(self.head_bytes, bandwidth_bytes_per_s)
        return ends_ps + middle_ps + transfer_ps(self.tail_bytes, bandwidth_bytes_per_s)

    def middle_ps(self, body_ps: int) -> int:
        """Time between head and tail: computation beside all that moves, or after it without overlap."""
        moving_ps = max([body_ps, *(feed.time_ps for feed in self.feeds)])
        return max(self.on_chip_ps, moving_ps) if self.overlap else self.on_chip_ps + moving_ps

    def utilization(self, latency_ps: int) -> float:
        """MACs over peak x time; 0 for a layer without MACs."""
        return self.macs * PS_PER_S / (self.peak_macs_per_s * latency_ps) if latency_ps else 0.0

    def utilization_split(self, latency_ps: int) -> tuple[float, float, float]:
        """Utilization as a product: of the array's lanes in space, of its cycles in time, and of time without stalls.

        Fill, drain, hops and vector work are what is lost in time; waiting for buffers and memory is stalling. For a
        layer with products; `latency_ps` is what it took.
        """
        compute_ps = cycles_to_ps(self.compute_cycles, self.clock_hz)
        temporal = self.utilization(compute_ps) / self.spatial_utilization if self.spatial_utilization else 0.0
        return self.spatial_utilization, temporal, compute_ps / latency_ps if latency_ps else 0.0

    def bound(self, bandwidth_bytes_per_s: float, moved_bytes: int | None = None) -> Bound:
        """The resource that sets the time; `moved_bytes` where a simulation moved less than all has to cross."""
        size_bytes = self.memory_bytes if moved_bytes is None else moved_bytes
        if transfer_ps(size_bytes, bandwidth_bytes_per_s) > self.on_chip_ps:
            return "memory"
        if self._power_ps > self._cycles_ps:
            return "power"
        return "buffer" if self.buffer_cycles > self.compute_cycles else "compute"


_copied = copier(LayerCost)

Priced = Mapping[Residency, LayerCost] | str
"""A layer's cost in each residency, or why the accelerator cannot run it."""
