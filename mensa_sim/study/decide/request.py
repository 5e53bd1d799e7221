"""What a decision is about: workloads with their weights, and the systems to choose between."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.flow import DEFAULT_FLOW, FLOWS
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.io.progress import Progress, silent
from mensa_sim.lookup import either
from mensa_sim.names import repeated
from mensa_sim.objective import DEFAULT_OBJECTIVE, OBJECTIVES
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import Overrides, StudyRequest, spelled

MOST_DRAWS = 1_000_000
"""Draws that a decision may take of anything (a choice): its shares are then known to 0.1 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideRequest(StudyRequest):
    """Workloads on the systems to choose between, each with its best schedule."""

    workloads: Sequence[Given] = field(kw_only=False, metadata=spelled(form="names", kinds=("workloads",)))
    """Workloads: files, or bare names of shipped ones; several, with commas or spaces between."""
    systems: Sequence[Given] = field(kw_only=False, metadata=spelled("--systems", form="names", kinds=("systems",)))
    """Systems to choose between: edge_tpu,mensa_g."""
    weights: Mapping[str, float] = field(default_factory=dict, metadata=spelled("--weight", form="numbers"))
    """WORKLOAD=NUMBER, how much it counts beside the others; 1 where nothing is said; repeatable."""
    objective: str = field(
        default=DEFAULT_OBJECTIVE,
        metadata=spelled(words=tuple(OBJECTIVES), help=f"What better means, less of {either(OBJECTIVES)}."),
    )
    """What better means: less of this."""
    scheduler: str = field(default="optimal", metadata=spelled(kinds=("schedulers",)))
    """Scheduler of the systems with a choice."""
    flow: str | None = field(
        default=None,
        metadata=spelled(
            words=tuple(FLOWS), help=f"Between layers: {either(FLOWS)}; {DEFAULT_FLOW} unless a system says."
        ),
    )
    """How data flows between layers; none: as each system says, else the default."""
    overrides: Overrides = field(default=(), metadata=spelled("--set", form="texts"))
    """FIELD=VALUE on every system that has the field; repeatable."""
    runs: int = field(default=12, metadata=spelled(minimum=1, maximum=MOST_DRAWS))
    """Joint draws of the choices that need a run."""
    prices: int = field(default=500, metadata=spelled(minimum=1, maximum=MOST_DRAWS))
    """Draws of all prices for each of them."""
    fields: bool = field(
        default=True,
        metadata=spelled("--no-fields", stands_for=False, help="Do not search the systems' own fields for turns."),
    )
    """Whether the systems' own fields are searched for values at which the decision turns."""
    seed: int = field(default=0, metadata=spelled(minimum=0))
    """Seed of the joint draws."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let a workload name code outside the shipped models."""
    jobs: int = field(default=1, metadata=spelled(minimum=1, role="means", absent=os.cpu_count))
    """Worker processes; a command takes all cores unless told."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """Folder for the results; a run that was killed goes on there."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="parts run"))
    """Told the runs done, the runs known of so far, and what was run last."""

    def __post_init__(self) -> None:
        StudyRequest.__post_init__(self)
        for name, least, few in (
            ("workloads", 1, "workloads: name at least one"),
            ("systems", 2, "--systems: name at least two systems, as in edge_tpu,mensa_g"),
        ):
            value = getattr(self, name)
            if isinstance(value, str | bytes) or not all(isinstance(each, str | Path | Mapping) for each in value):
                raise UsageError(f"{name}: give a list of names or paths, as fields of what is loaded cannot be varied")
            named = tuple(str(file_of(each)) for each in value)
            if len(named) < least:
                raise UsageError(few)
            if len(set(named)) < len(named):
                raise UsageError(f"{name}: {repeated(named)[0]} stands there twice")
            object.__setattr__(self, name, named)
        for name in ("workloads", "systems"):
            called = [name_of_file(each) for each in getattr(self, name)]
            if len(set(called)) < len(called):
                raise UsageError(f"{name}: two are called {max(called, key=called.count)}")
        for name, weight in self.weights.items():
            if name not in (*self.names, *self.workloads):
                raise UsageError(f"--weight {name}: is none of the workloads {', '.join(self.names)}")
            if not (math.isfinite(weight) and weight > 0):
                raise UsageError(f"--weight {name}={weight}: must be positive")

    @property
    def names(self) -> tuple[str, ...]:
        """What the workloads are called."""
        return tuple(map(name_of_file, map(str, self.workloads)))

    @property
    def shares(self) -> dict[str, float]:
        """By workload, as it was asked for, the share of the decision that it has."""
        weights = {
            each: float(self.weights.get(each, self.weights.get(name_of_file(each), 1.0)))
            for each in map(str, self.workloads)
        }
        return {each: weight / sum(weights.values()) for each, weight in weights.items()}


def name_of_file(name_or_path: str) -> str:
    """What a workload or a system is called in a decision.

    >>> name_of_file("own/wide.yaml"), name_of_file("lstm")
    ('wide', 'lstm')
    """
    return Path(name_or_path).stem
