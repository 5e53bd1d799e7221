"""Which models a conclusion is tried on, and how often."""

from collections.abc import Sequence
from dataclasses import field

from mensa_sim.errors import UsageError
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.request import SYSTEMS, ReproduceRequest
from mensa_sim.study.request.fields import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRequest(ReproduceRequest):
    """Models on the paper's systems, or workloads and systems of one's own, every choice of which is varied."""

    workloads: Sequence[Given] = field(default=(), metadata=spelled(form="names", kinds=("workloads",)))
    """Workloads in place of the 24 models: files, or names of shipped ones; repeatable."""
    systems: Sequence[Given] = field(default=SYSTEMS, metadata=spelled(form="names", kinds=("systems",)))
    """Systems, the last of which is held against each other: edge_tpu,mensa_g."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let a workload name code outside the shipped models."""
    runs: int = field(default=12, metadata=spelled(minimum=1))
    """Joint draws of the choices that need a run."""
    prices: int = field(default=500, metadata=spelled(minimum=1))
    """Draws of all prices for each of them."""
    populations: int | None = field(default=None, metadata=spelled(minimum=0))
    """Drawn sets of 24 models on which every choice of the draw is varied; none."""
    seed: int = field(default=0, metadata=spelled(minimum=0))
    """Seed of the joint draws."""

    @property
    def drawn_populations(self) -> int:
        """How many populations are drawn, of each choice of the draw to either side."""
        return self.populations or 0

    def __post_init__(self) -> None:
        ReproduceRequest.__post_init__(self)
        for name in ("workloads", "systems"):
            if isinstance(getattr(self, name), str):
                raise UsageError(f"{name}: {getattr(self, name)!r} is a text; give a list of them")
        if self.models and self.workloads:
            raise UsageError("--models and --workloads: give one of the two")
        for name in ("workloads", "systems"):
            named = tuple(str(file_of(each)) for each in getattr(self, name))
            if twice := repeated(named):
                raise UsageError(f"--{name}: {twice[0]} stands there twice")
            object.__setattr__(self, name, named)
        if len(self.systems) < 2:
            raise UsageError("--systems: name at least two systems, as in edge_tpu,mensa_g")
