"""Why an inference takes another time and energy than its layers one after another: causes that add up exactly."""

import math
from itertools import pairwise

from mensa_sim.cost.fed import RESIDENT
from mensa_sim.cost.table import CostTable
from mensa_sim.records import dataclass
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.record.recorder import Busy, Done
from mensa_sim.simulate.record.timeline import covered_ps
from mensa_sim.units import transfer_ps

OVERLAP = "overlap"
CONTENTION = "contention"
RESIDENCY = "residency"
ACTIVATIONS = "activations"
PREFETCH = "prefetch"
DISCARDED = "discarded"
GATING = "power_gating"
STACKING = "stacks"

CAUSES = (STACKING, OVERLAP, CONTENTION, RESIDENCY, ACTIVATIONS, PREFETCH, DISCARDED, GATING)
"""Layers that run tile by tile; branches and copies at the same time; waiting for shared memories, links and a host;
parameters, then activations that lie on chip; parameters that came early, and those that came for nothing; supplies
that were cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What one cause adds to the sum of the layers, copies and the host: negative where it saves."""

    name: str
    """One of `CAUSES`."""
    latency_ps: int
    energy_pj: float


class CauseRecorder:
    """Watches the first inference that ends, with nothing else on the system, and says what made the difference.

    The sum that it departs from has each layer streamed with its memory to itself, each copy and each crossing to and
    from a host alone, one after another. Of a stage, the difference of residencies and of bytes that came early is
    known from its costs, and what is left is waiting. What then ran at the same time is overlap, and the time in which
    nothing ran is that of waking up. `predicted` is what the sum has, where that is not what `costs` say: layers by
    themselves that run in stacks, pieces of layers, of which one reads for all what all of them read, and layers whose
    tensors are at home; `parted` is the cause that both differ by.
    """

    def __init__(self, costs: CostTable, predicted: CostTable | None = None, parted: str = STACKING) -> None:
        self._costs, self._predicted, self._parted = costs, predicted or costs, parted
        self._latency_ps = dict.fromkeys(CAUSES, 0)
        self._energies_pj: dict[str, list[float]] = {name: [] for name in CAUSES}
        self._intervals: list[tuple[int, int]] = []
        self._over = False
        self.heard_bytes = 0
        """What pieces of layers took from memory while another one read it."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All of them, in the order of `CAUSES`; their dynamic energy alone."""
        return tuple(
            Cause(name=name, latency_ps=self._latency_ps[name], energy_pj=math.fsum(self._energies_pj[name]))
            for name in CAUSES
        )

    def record(self, busy: Busy) -> None:
        """Something crossed, or bytes were thrown away."""
        if self._over:
            return
        if busy.kind in ("transfer", "host"):
            self._latency_ps[CONTENTION] += busy.end_ps - busy.start_ps
            self._intervals.append((busy.start_ps, busy.end_ps))
        elif busy.kind == "discard":
            self._energies_pj[DISCARDED] += busy.energy_pj.values()

    def executed(self, done: Done) -> None:
        """A stage was run: what it took beside what it would have taken, step by step."""
        if self._over:
            return
        accelerator, memory, _, stage, head_bytes, body_bytes, moments_ps = done
        bandwidth = self._costs.system.memories[memory].effective_bytes_per_s
        self.heard_bytes += stage.cost.heard_bytes
        foreseen = self._predicted.cost(stage.layer, accelerator)
        # A piece hears what was foreseen, and is in no stack.
        own = foreseen if foreseen.heard_bytes else self._costs.cost(stage.layer, accelerator)
        steps, names = [foreseen, own], [self._parted]
        if stage.residency.parameters:
            steps.append(self._costs.costs.get((stage.layer, accelerator, RESIDENT), own))
            names.append(RESIDENCY)
        steps.append(stage.cost)
        at_home = stage.residency.input or stage.residency.output or stage.feeds
        names.append(ACTIVATIONS if at_home else RESIDENCY)
        for name, (before, after) in zip(names, pairwise(steps), strict=True):
            self._latency_ps[name] += after.latency_ps(bandwidth) - before.latency_ps(bandwidth)
            self._energies_pj[name].append(after.energy_pj - before.energy_pj)
        body_ps = transfer_ps(body_bytes, bandwidth)
        middle_ps = stage.cost.middle_ps(body_ps)
        ends_ps = transfer_ps(head_bytes, bandwidth) + transfer_ps(stage.tail_bytes, bandwidth)
        self._latency_ps[PREFETCH] += middle_ps + ends_ps - steps[-1].latency_ps(bandwidth)
        self._latency_ps[CONTENTION] += moments_ps[-1] - moments_ps[0] - middle_ps - ends_ps
        self._intervals.append((moments_ps[0], moments_ps[-1]))

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Nothing to learn from what buffers hold."""

    def ended(self, request: Request, time_ps: int) -> None:
        """The inference is over: what crossed waited, what ran at once overlapped, and while nothing ran all slept."""
        if self._over:
            return
        self._over = True
        crossed_ps = sum(
            crossing.latency_ps + crossing.alone_ps for copy in request.plan.copies for crossing in copy.crossings
        )
        self._latency_ps[CONTENTION] -= crossed_ps
        total_ps = sum(end_ps - start_ps for start_ps, end_ps in self._intervals)
        working_ps = covered_ps(self._intervals)
        self._latency_ps[OVERLAP] = working_ps - total_ps
        self._latency_ps[GATING] = time_ps - request.arrival_ps - working_ps
