"""Which models the claim is checked on."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from mensa_sim.io.progress import Progress, silent
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import Overrides, StudyRequest, spelled

SYSTEMS = ("edge_tpu", "base_hb", "eyeriss_v2", "mensa_g")
"""The systems of the comparison."""

POPULATIONS = 5
"""How many are drawn unless a request says otherwise: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceRequest(StudyRequest):
    """Models on the paper's systems."""

    models: Sequence[str] = field(default=(), metadata=spelled(form="names", kinds=("models",)))
    """Models, or kinds (cnn, kind:lstm, ...); repeatable. All 24."""
    overrides: Overrides = field(default=(), metadata=spelled("--set", form="texts"))
    """FIELD=VALUE on every system that has the field; repeatable."""
    scheduler: str | None = field(default=None, metadata=spelled(kinds=("schedulers",)))
    """Scheduler of the systems with a choice; mensa."""
    options: Mapping[str, float] = field(default_factory=dict, metadata=spelled("--option", form="numbers"))
    """NAME=NUMBER of the scheduler; repeatable."""
    populations: int | None = field(default=None, metadata=spelled(minimum=0))
    """Sets of 24 models drawn from the published statistics, beside the shipped ones; 5, or none with --models."""
    jobs: int = field(default=1, metadata=spelled(minimum=1, role="means", absent=os.cpu_count))
    """Worker processes; a command takes all cores unless told."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """Folder for the results; a run that was killed goes on there."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="models run"))
    """Told the models done, the models in all, and the one just done."""

    @property
    def drawn_populations(self) -> int:
        """How many populations are drawn."""
        if self.populations is not None:
            return self.populations
        return 0 if self.models else POPULATIONS
