"""A recorder of all spans that also sums them: the latency and the dynamic energy of each inference."""

import math

from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.record.spans import ENERGY_CELL, SPAN_CELLS, STAGE_CELL, STAGE_CELLS, SpanRecorder


class TotalsRecorder(SpanRecorder):
    """Keeps all spans of requests that run one after another, what each took, and the dynamic energy until its end."""

    def __init__(self) -> None:
        super().__init__(max_spans=None)
        self._told = 0, 0
        """Cells of stages and of spans until the last end."""
        self.totals: list[tuple[int, float]] = []
        """Latency and dynamic energy of each request that has ended."""

    def ended(self, request: Request, time_ps: int) -> None:
        """Keep its record and close its account."""
        super().ended(request, time_ps)
        stages, spans = self._told
        energies_pj = [pj for stage in self._stages[stages + STAGE_CELL :: STAGE_CELLS] for pj in stage.energies_pj]
        energies_pj += [pj for parts in self._spans[spans + ENERGY_CELL :: SPAN_CELLS] for pj in parts.values()]
        self.totals.append((time_ps - request.arrival_ps, math.fsum(energies_pj)))
        self._told = len(self._stages), len(self._spans)
