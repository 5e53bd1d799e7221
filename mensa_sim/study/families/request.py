"""Whose layers to put into families."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.io.at_hand import Given
from mensa_sim.io.progress import Progress, silent
from mensa_sim.lookup import either
from mensa_sim.objective import DEFAULT_OBJECTIVE, OBJECTIVES
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import CACHED, StudyRequest, spelled

if TYPE_CHECKING:
    from mensa_sim.hardware.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class FamiliesRequest(StudyRequest):
    """Workloads whose layers are put into families, and the system that prices these."""

    workloads: Sequence[Given] = field(default=(), kw_only=False, metadata=spelled(form="names", kinds=("workloads",)))
    """Workloads; without any, the 24 models."""
    system: "Given | System" = field(default="mensa_g", metadata=spelled(kinds=("systems",)))
    """System or accelerator: file or bare name."""
    objective: str = field(
        default=DEFAULT_OBJECTIVE,
        metadata=spelled(words=tuple(OBJECTIVES), help=f"What a layer is to cost little of: {either(OBJECTIVES)}."),
    )
    """What a layer is to cost little of."""
    count: int | None = field(default=None, metadata=spelled(minimum=2))
    """Clusters; without it, as many as part best."""
    save: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """Write the clusters here, for run --families."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let the workloads name code outside the shipped models."""
    cache: bool = field(default=True, metadata=CACHED)
    """Whether graphs and prices are kept, and taken from where they were kept before."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="workloads priced"))
    """Told the workloads priced so far, their number, and the last one."""
