"""What a GPU's data sheet says, in its own words, and the accelerator file that follows from it."""

from pathlib import Path
from typing import Any, Literal

from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.io.files import Raw, write_yaml
from mensa_sim.io.shipped import measured_files
from mensa_sim.names import check_folder_name
from mensa_sim.records import dataclass
from mensa_sim.units import MW_PER_W

FLOPS_PER_MAC = 2
DRAM_EFFICIENCY = 0.8
"""Of a GPU's memory when another accelerator reads it: a choice, as in the shipped files of GPUs."""

LEAST = {
    "clock_hz": (1e8, "Hz, as in 1410000000"),
    "base_clock_hz": (1e8, "Hz, as in 765000000"),
    "bytes_per_s": (1e9, "B/s, as in 1555000000000"),
    "peak_flops_per_s": (1e10, "FLOP/s at float32, as in 19500000000000"),
    "cache_bytes": (2**16, "bytes, as in 41943040"),
}
"""By field, a value that no GPU of these generations is below, and the unit: what is below it is in another one."""

MOST_LANES = 192
"""Of a processor at float32: Kepler's; all others have at most 128 (NVIDIA, Kepler GK110 white paper, 2012)."""

ROUNDED = 1.01
"""Data sheets round peaks and clocks to three digits."""

HEADER = (
    "# By its data sheet, at float32: nobody measured it. Written by `mensa-sim device`; times come from constants\n"
    "# that a T4 and an A100 have in common. The technology prices only what others read from its memory.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDatasheet:
    """A GPU's data sheet: all that a prediction of its kernels needs."""

    name: str
    """The name of the accelerator, which is also that of its file."""
    library: Literal["before_ampere", "from_ampere"]
    """Whose kernels its libraries run: those of generations before Ampere (2020), or from Ampere on."""
    processors: int
    """Streaming multiprocessors that are switched on."""
    cache_bytes: int
    """L2 cache."""
    bytes_per_s: int
    """Memory bandwidth."""
    peak_flops_per_s: int
    """At float32 without tensor cores, at the boost clock; two FLOP are one MAC."""
    clock_hz: int
    """Boost clock."""
    base_clock_hz: int | None = None
    """What its power lasts for whatever it does; none: not stated."""
    power_w: float
    """What the board may draw."""
    node_nm: float
    """Process node; a 4 nm class is taken as one of 5 nm."""
    source: str
    """The data sheet, with its year."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        faults = []
        for name, (least, unit) in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                faults.append(f"{name} is {value:g}, which no GPU is below: it is in {unit}")
        if self.base_clock_hz is not None and self.base_clock_hz > self.clock_hz:
            faults.append(f"base_clock_hz is above clock_hz, the boost clock of {self.clock_hz}")
        lanes = self.peak_flops_per_s / (FLOPS_PER_MAC * max(1, self.processors) * max(1, self.clock_hz))
        if not faults and lanes > ROUNDED * MOST_LANES:
            faults.append(
                f"peak_flops_per_s is that of {lanes:.0f} MACs a processor and cycle: without tensor cores, at "
                f"float32, at most {MOST_LANES} are done"
            )
        if not self.source.strip():
            faults.append("source is empty")
        if faults:
            raise ValueError("; ".join(faults))
        _ = self.figures

    @property
    def figures(self) -> DeviceFigures:
        """As the fits take them."""
        return DeviceFigures(
            processors=self.processors,
            cache_bytes=self.cache_bytes,
            bytes_per_s=self.bytes_per_s,
            peak_macs_per_s=self.peak_flops_per_s / FLOPS_PER_MAC,
            power_w=self.power_w,
            node_nm=self.node_nm,
            base_share=None if self.base_clock_hz is None else self.base_clock_hz / self.clock_hz,
        )

    @property
    def fit_path(self) -> Path:
        """The constants that the T4 and the A100 have in common, with the tiles of its library."""
        return measured_files()[self._fit]

    @property
    def _fit(self) -> str:
        return f"gpu_{self.library}"

    def accelerator_text(self) -> str:
        """Its accelerator's file, which says the same in every folder: shipped files have bare names in it."""
        figures = self.figures
        stated: dict[str, Any] = {name: getattr(figures, name) for name in figures.__slots__}
        data: Raw = {
            "name": self.name,
            "placement": "pcie_card",
            "technology": "cmos_22nm",
            "clock_hz": self.clock_hz,
            "timings": self._fit,
            "macs_per_s": self.peak_flops_per_s // FLOPS_PER_MAC,
            "figures": {name: value for name, value in stated.items() if value is not None},
            "power_mw": {"value": self.power_w * MW_PER_W, "source": self.source},
            "default_memory": {
                "kind": "host_ddr",
                "bandwidth_bytes_per_s": self.bytes_per_s,
                "efficiency": DRAM_EFFICIENCY,
            },
            "source": self.source,
        }
        return HEADER + write_yaml(data)
