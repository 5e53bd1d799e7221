"""What predictions are held against."""

from dataclasses import field
from pathlib import Path

from mensa_sim.io.progress import Progress, silent
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import CACHED, spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest:
    """Measurements of a file, else those that ship, and those of a reference folder beside them."""

    data: str | Path | None = field(default=None, kw_only=False, metadata=spelled("--data", file=True))
    """Measurement file: CSV of workload,system,metric,measured,source; of models that generate also their lengths."""
    reference: str | Path | None = None
    """Folder of reference data, taken beside the rest."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let workloads name code outside the shipped models."""
    cache: bool = field(default=True, metadata=CACHED)
    """Whether graphs and prices are kept, and taken from where they were kept before."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="rows predicted"))
    """Told the rows predicted so far, their number, and the last one's workload."""
