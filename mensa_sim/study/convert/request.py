"""Which files to convert, and where to."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """Files of another tool that belong together: an accelerator, what maps layers onto it, a workload."""

    files: Sequence[str | Path] = field(kw_only=False, metadata=spelled(form="texts", file=True))
    """ZigZag or Timeloop YAML, SCALE-Sim .cfg or .csv; an accelerator of ZigZag with its mapping file."""
    output: "str | Path | None" = field(default=None, metadata=spelled(file=True, role="means"))
    """Folder for the files made; without it, results/convert-NAME."""
    force: bool = field(default=False, metadata=spelled(role="means"))
    """Replace files that are there."""
