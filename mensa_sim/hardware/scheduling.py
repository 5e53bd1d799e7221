"""How a system's layers are placed unless a run says otherwise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mensa_sim.flow import DEFAULT_FLOW, FlowName, flow_named
from mensa_sim.objective import DEFAULT_OBJECTIVE, ObjectiveName, objective_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """A scheduler by name, its options, and what it and the mapper minimise."""

    scheduler: str = "mensa"
    """Its name, as `mensa-sim list schedulers` has it."""
    objective: ObjectiveName = DEFAULT_OBJECTIVE
    """What it and the mapper minimise."""
    options: Mapping[str, float] = field(default_factory=dict)
    """Options of the scheduler, e.g. the thresholds of `mensa`."""
    flow: FlowName = DEFAULT_FLOW
    """How data flows between layers, as far as its compiler can do it."""

    def __post_init__(self) -> None:
        objective_named(self.objective)
        flow_named(self.flow)
        for name, value in self.options.items():
            if not math.isfinite(value):
                raise ValueError(f"options.{name} is {value}, must be a finite number")
