"""What to place, and what to run: one workload, or a scenario of several."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.io.at_hand import Given
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.study.request.fields import ScheduledRequest, spelled

if TYPE_CHECKING:
    from mensa_sim.hardware.system import System


BASELINE = "edge_tpu"
"""What everything is compared with unless a request says otherwise: what the paper compares Mensa-G with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRequest(ScheduledRequest):
    """A workload to be placed on one system."""

    system: "Given | System" = field(default="mensa_g", metadata=spelled(kinds=("systems",)))
    """System or accelerator: file or bare name."""
    pins: Mapping[str, str] = field(default_factory=dict, metadata=spelled("--pin", form="pairs"))
    """LAYER=ACCELERATOR, where `*` in a layer's name stands for any letters, and `prompt:` or `steps:` before it means
    that phase of an answer alone; repeatable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest(PlaceRequest):
    """A workload, or a scenario of several, to be run on a system beside a baseline."""

    baseline: "Given | System | None" = field(
        default=None,
        metadata=spelled(
            kinds=("systems",), help=f"System that the ratios are taken against; default {BASELINE}, if it can run it."
        ),
    )
    """System that the ratios are taken against; none: `BASELINE`, and no system where that cannot run the workload."""
    prompt_tokens: int | None = field(default=None, metadata=spelled(minimum=1))
    """Tokens of the prompt of a workload that generates, in place of the file's."""
    new_tokens: int | None = field(default=None, metadata=spelled(minimum=1))
    """Tokens of its answer, likewise."""
    seed: int | None = field(default=None, metadata=spelled(minimum=0))
    """Seed of whatever is random; default 0, or the scenario's."""
    deadline_ms: float | None = None
    """Latency that the schedule must not exceed."""
    schedule: str | Path | None = field(default=None, metadata=spelled(file=True))
    """Take this schedule.yaml as it stands."""
    families: str | Path | None = field(default=None, metadata=spelled(file=True))
    """Judge layers by these families."""
    parallel: bool = False
    """Let branches overlap in what the scheduler predicts."""
    on_chip: Options = field(
        default=FULL,
        metadata=spelled(
            "--plain", form="flag", stands_for=PLAIN, help="No prefetch, nothing stays on chip between layers."
        ),
    )
    """What the simulation may prefetch and keep on chip."""
