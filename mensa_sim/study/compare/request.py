"""What to compare."""

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from mensa_sim.errors import UsageError
from mensa_sim.io.at_hand import Given
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import ScheduledRequest, spelled

if TYPE_CHECKING:
    from mensa_sim.hardware.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest(ScheduledRequest):
    """One workload or several, or a scenario, on several systems."""

    workload: object = field(kw_only=False, metadata=spelled(form="names", kinds=("workloads", "scenarios")))
    """Workloads, or one scenario: files, or bare names of shipped ones; several, with commas or spaces between."""
    inputs: object = field(default=None, metadata=spelled(at_hand=True))
    """Example inputs of a module that is at hand, by position or by name."""
    systems: "Sequence[Given | System]" = field(
        kw_only=False, metadata=spelled("--systems", form="names", kinds=("systems",))
    )
    """Systems side by side, the first is the baseline: edge_tpu,mensa_g."""
    seed: int | None = field(default=None, metadata=spelled(minimum=0))
    """Seed of whatever is random; default 0, or the scenario's."""

    def __post_init__(self) -> None:
        ScheduledRequest.__post_init__(self)
        if isinstance(self.workload, list | tuple):
            if not self.workload:
                raise UsageError("workloads: name at least one")
            alone = len(self.workload) == 1
            object.__setattr__(self, "workload", self.workload[0] if alone else tuple(self.workload))

    @property
    def workloads(self) -> tuple[object, ...]:
        """Each of them."""
        return self.workload if isinstance(self.workload, tuple) else (self.workload,)
