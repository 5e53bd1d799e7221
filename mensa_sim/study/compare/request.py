"""What to compare."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mensa_sim.io.at_hand import Given
from mensa_sim.study.request.common import ScheduledRequest
from mensa_sim.study.request.fields import spelled

if TYPE_CHECKING:
    from mensa_sim.hardware.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest(ScheduledRequest):
    """A workload on several systems."""

    inputs: object = field(default=None, metadata=spelled(at_hand=True))
    """Example inputs of a module that is at hand, by position or by name."""
    systems: "Sequence[Given | System]" = field(
        kw_only=False, metadata=spelled("--systems", form="names", kinds=("systems",))
    )
    """Systems side by side, the first is the baseline: edge_tpu,mensa_g."""
    seed: int = field(default=0, metadata=spelled(minimum=0))
    """Seed of whatever is random."""
