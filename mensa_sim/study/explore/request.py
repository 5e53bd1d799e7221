"""What to explore, where the study lies, and who works."""

import os
from dataclasses import field
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.io.at_hand import Given
from mensa_sim.io.progress import Progress, silent
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import CACHED, Overrides, StudyRequest, spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreRequest(StudyRequest):
    """A design space to search, with the folder in which the study lies."""

    space: Given = field(kw_only=False, metadata=spelled(kinds=("spaces",)))
    """Space file, or the bare name of a shipped one."""
    trials: int | None = field(default=None, metadata=spelled(minimum=1))
    """Designs to run in all; else as the space says, or every point."""
    timeout_s: float | None = field(default=None, metadata=spelled("--timeout"))
    """Begin no design after so many seconds; those that are begun by then are finished."""
    jobs: int = field(default=1, metadata=spelled(minimum=1, role="means", absent=os.cpu_count))
    """Worker processes; a command takes all cores unless told."""
    cluster: str | None = field(default=None, metadata=spelled(role="means"))
    """Address of a Dask scheduler, tcp://..."""
    resume: bool = field(default=False, metadata=spelled(role="means"))
    """Go on with the study in the results folder."""
    folder: str | Path | None = field(default=None, metadata=spelled("--output", role="means"))
    """Folder for the results."""
    overrides: Overrides = field(default=(), metadata=spelled("--set", form="texts"))
    """FIELD=VALUE on any field of the system; repeatable."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let workloads name code outside the shipped models."""
    cache: bool = field(default=True, metadata=CACHED)
    """Whether graphs and prices are kept, and taken from where they were kept before."""
    force: bool = field(default=False, metadata=spelled(role="means"))
    """Start anew where a study lies."""
    dashboard: bool = field(default=False, metadata=spelled(role="means"))
    """Write optuna.db too, a study that optuna-dashboard opens."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="designs run"))
    """Told the designs run so far and the number wanted."""

    def __post_init__(self) -> None:
        StudyRequest.__post_init__(self)
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise UsageError(f"--timeout {self.timeout_s}: must be above 0 seconds")
