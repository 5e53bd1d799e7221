"""Which models a conclusion is tried on, and how often."""

from dataclasses import dataclass, field

from mensa_sim.errors import UsageError
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.request.fields import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRequest(ReproduceRequest):
    """Models on the paper's systems, every choice of which is varied."""

    runs: int = field(default=12, metadata=spelled(minimum=1))
    """Joint draws of the choices that need a run."""
    prices: int = field(default=500, metadata=spelled(minimum=1))
    """Draws of all prices for each of them."""
    seed: int = field(default=0, metadata=spelled(minimum=0))
    """Seed of the joint draws."""

    def __post_init__(self) -> None:
        ReproduceRequest.__post_init__(self)
        if self.runs < 1 or self.prices < 1:
            raise UsageError("sensitivity: the numbers of draws must be at least 1")
