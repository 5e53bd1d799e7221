"""A table of kernel timings measured on one device: what was timed, how long it took, and under which conditions.

The table is the seam between a device and the simulator: measured once, read anywhere (`timing_table_file`).
"""

import math
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from mensa_sim.errors import UsageError
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.ranges import at_least, not_negative, positive
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import DIMS
from mensa_sim.workload.layer import LoopNest

DTYPE_BYTES: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Element types that a table may hold, with the bytes of one element."""

KernelForm = Literal["single", "sequence"]
"""One run of a kernel, or the library's fused run over all steps of a recurrent layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What is timed: an operator on one shape at one element type. Equal kernels take equal time.

    A kernel with a loop nest is told apart by that alone; one without by its elements and operations.
    """

    operator: str
    dtype: str
    form: KernelForm = "single"
    steps: int = 1
    """Steps of a `sequence`; its nest is that of one gate in one step."""
    nest: LoopNest | None = None
    vector_ops: int = 0
    input_elements: int = 0
    output_elements: int = 0
    parameter_elements: int = 0

    def __post_init__(self) -> None:
        if not self.operator or set(self.operator) & set(",\n\r"):
            raise ValueError(f"operator is {self.operator!r}: a name without commas and line ends")
        if self.dtype not in DTYPE_BYTES:
            raise ValueError(f"dtype is {self.dtype!r}, choose from {', '.join(DTYPE_BYTES)}")
        if self.form not in ("single", "sequence"):
            raise ValueError(f"form is {self.form!r}, choose from single, sequence")
        if self.steps < 1 or (self.form == "single" and self.steps != 1):
            raise ValueError(f"steps is {self.steps}: a sequence has at least 1, a single kernel exactly 1")
        counts = (self.vector_ops, self.input_elements, self.output_elements, self.parameter_elements)
        if min(counts) < 0:
            raise ValueError("a count of operations or elements is negative")
        if self.nest is not None and any(counts):
            raise ValueError("a kernel with a loop nest has no counts of its own")
        if self.nest is None and self.input_elements + self.output_elements == 0:
            raise ValueError("neither a loop nest nor elements")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run; those of one gate for a sequence."""
        return self.steps * self.nest.macs if self.nest else 0

    @property
    def element_bytes(self) -> int:
        """Bytes of one element."""
        return DTYPE_BYTES[self.dtype]

    @property
    def moved_bytes(self) -> int:
        """Bytes of every operand counted once: what must cross the memory interface at least."""
        if self.nest is None:
            return self.element_bytes * (self.input_elements + self.output_elements)
        nest = self.nest
        return self.element_bytes * (nest.weight_elements + nest.input_elements + nest.output_elements)

    def __str__(self) -> str:
        if self.nest is None:
            shape = f"{self.input_elements} in, {self.output_elements} out, {self.vector_ops} operations"
        else:
            sizes = zip(DIMS, self.nest.sizes, strict=True)
            shape = " ".join(f"{dim}{size}" for dim, size in sizes if size > 1) or "one product"
        steps = f" over {self.steps} steps" if self.form == "sequence" else ""
        return f"{self.operator} ({shape}) at {self.dtype}{steps}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The measured time of one kernel."""

    kernel: Kernel
    median_us: float
    iqr_us: float
    """Interquartile range of the repetitions; 0 where the source gives one figure."""
    repetitions: int
    relative_error: float
    """Standard error of the median over the median, where it was measured."""
    energy_uj: float | None = None
    """Energy of one run above nothing (idle power included), where the device could be asked."""

    def __post_init__(self) -> None:
        positive(self, "median_us", "energy_uj")
        not_negative(self, "iqr_us", "relative_error")
        at_least(1, self, "repetitions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The header of a table: where, when and how it was measured. Texts are for people, and required."""

    device: str
    driver: str
    torch: str
    date: str
    method: str
    clocks_before: str
    clocks_after: str
    command: str
    processors: int
    cache_bytes: int
    copy_bytes_per_s: float
    """Bandwidth that a large copy reached, reads and writes together."""
    peak_macs_per_s: Mapping[str, float] = field(default_factory=dict)
    """Best rate of a large matrix product, by element type."""

    def __post_init__(self) -> None:
        for name in ("device", "driver", "torch", "date", "method", "clocks_before", "clocks_after", "command"):
            text = getattr(self, name)
            if not text.strip() or "\n" in text:
                raise ValueError(f"{name} is empty or has more than one line")
        positive(self, "processors", "cache_bytes", "copy_bytes_per_s")
        for dtype, rate in self.peak_macs_per_s.items():
            if dtype not in DTYPE_BYTES:
                raise ValueError(f"peak_macs_per_s.{dtype}: unknown dtype, choose from {', '.join(DTYPE_BYTES)}")
            if not (math.isfinite(rate) and rate > 0):
                raise ValueError(f"peak_macs_per_s.{dtype} is {rate}, must be positive and finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingTable:
    """Timings of one device; each kernel stands once."""

    label: str
    """The file's name, for messages."""
    conditions: Conditions
    timings: tuple[Timing, ...]
    _by_kernel: Mapping[Kernel, Timing] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_kernel = {timing.kernel: timing for timing in self.timings}
        if len(by_kernel) != len(self.timings):
            raise ValueError(f"{self.label}: a kernel stands twice")
        object.__setattr__(self, "_by_kernel", MappingProxyType(by_kernel))

    def find(self, kernel: Kernel) -> Timing | None:
        """The timing of exactly that kernel."""
        return self._by_kernel.get(kernel)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Element types of the table, in their order of first appearance."""
        return tuple(dict.fromkeys(timing.kernel.dtype for timing in self.timings))

    def figures(self, dtype: str) -> DeviceFigures:
        """The device's probed limits at an element type; `UsageError` where its peak was not measured."""
        if dtype not in self.conditions.peak_macs_per_s:
            measured = ", ".join(self.conditions.peak_macs_per_s) or "none"
            raise UsageError(f"{self.label}: no peak_macs_per_s.{dtype} in the header (it has {measured})")
        return DeviceFigures(
            processors=self.conditions.processors,
            cache_bytes=self.conditions.cache_bytes,
            bytes_per_s=self.conditions.copy_bytes_per_s,
            peak_macs_per_s=self.conditions.peak_macs_per_s[dtype],
        )
