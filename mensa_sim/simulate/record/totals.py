"""A recorder that keeps of each inference its latency and its dynamic energy, and nothing else."""

import math

from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.record.recorder import Busy, Done


class TotalsRecorder:
    """Of requests that run one after another: what each took, and the dynamic energy until its end."""

    def __init__(self) -> None:
        self._energies_pj: list[float] = []
        self.totals: list[tuple[int, float]] = []
        """Latency and dynamic energy of each request that has ended."""

    def record(self, busy: Busy) -> None:
        """Add its energy."""
        self._energies_pj += busy.energy_pj.values()

    def executed(self, done: Done) -> None:
        """Add the stage's energy."""
        self._energies_pj += done[3].energies_pj

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Nothing to add."""

    def ended(self, request: Request, time_ps: int) -> None:
        """Close its account."""
        self.totals.append((time_ps - request.arrival_ps, math.fsum(self._energies_pj)))
        self._energies_pj = []
