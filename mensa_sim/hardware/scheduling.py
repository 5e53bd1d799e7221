"""How a system's layers are placed unless a run says otherwise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """A scheduler by name, its options, and what it and the mapper minimise."""

    scheduler: str = "mensa"
    objective: str = "edp"
    options: Mapping[str, float] = field(default_factory=dict)
    """Options of the scheduler, e.g. the thresholds of `mensa`."""

    def __post_init__(self) -> None:
        for name, value in self.options.items():
            if not math.isfinite(value):
                raise ValueError(f"options.{name} is {value}, must be a finite number")
