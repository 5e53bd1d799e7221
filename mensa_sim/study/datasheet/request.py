"""Which data sheet to read."""

from dataclasses import field
from pathlib import Path

from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """A GPU that nobody measured, by its data sheet."""

    datasheet: str | Path = field(kw_only=False, metadata=spelled(file=True))
    """YAML file of what a GPU's data sheet says; `mensa-sim schema datasheet` has its fields."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """Accelerator file to write; none: it is printed."""
