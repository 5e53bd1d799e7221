"""What to calibrate, and to which measurements."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import StudyRequest, spelled

MAX_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateRequest(StudyRequest):
    """A spec whose constants are fitted to a table; without fields, a device whose kernels' efficiency is."""

    spec: str = field(kw_only=False, metadata=spelled(kinds=("systems",)))
    """System or accelerator: file or bare name; without fields, a device's name."""
    table: str | Path = field(kw_only=False)
    """Timing table to calibrate to."""
    fields: Sequence[str] = field(default=(), metadata=spelled("--field", form="texts"))
    """Field to fit, named as for --set; three at most."""
    dtype: str | None = None
    """Element type, where the table has several."""
    rows: int = field(default=60, metadata=spelled(minimum=4))
    """Kernels used at most, half to fit and half to judge."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """File to write."""

    def __post_init__(self) -> None:
        StudyRequest.__post_init__(self)
        count = len(self.fields)
        if count > MAX_FIELDS:
            raise UsageError(f"calibrate fits 1 to {MAX_FIELDS} fields, not {count}: more would fit the noise")
        if len(set(self.fields)) < count:
            raise UsageError("--field: one is given twice")
