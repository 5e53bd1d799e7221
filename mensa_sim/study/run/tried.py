"""Plans of where data lives, compared by what a first inference and a steady one after it come to."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.front import ROUNDING
from mensa_sim.simulate.inference import run_in_turn
from mensa_sim.simulate.metrics.inference import latency_and_energy
from mensa_sim.simulate.plan.floor import Least
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan
from mensa_sim.simulate.record.spans import TotalsRecorder
from mensa_sim.study.run.placement import Placement


@dataclass(frozen=True, kw_only=True)
class TriedPlan:
    """A plan, and what a first inference and a steady one after it come to."""

    placement: Placement
    on_chip: Options
    plan: Plan
    foreseen: Sequence[Least] | None = None
    """What each takes, where that is known without a simulation."""

    @cached_property
    def recorded(self) -> TotalsRecorder:
        """Both inferences."""
        recorder = TotalsRecorder()
        run_in_turn(self.plan, self.placement.costs.system, self.on_chip, 2, recorder)
        return recorder

    @cached_property
    def _totals(self) -> Sequence[tuple[int, float]]:
        """Latency and dynamic energy of each; of the latter less what cut supplies do not leak."""
        if self.foreseen is not None:
            return self.foreseen
        system, static_pj_per_ps = self.placement.costs.system, self.placement.problem.static_pj_per_ps
        if not system.gated:
            return self.recorded.totals
        measured = (latency_and_energy(each, system) for each in self.recorded.one_by_one())
        return [(time_ps, pj - static_pj_per_ps * time_ps) for time_ps, pj in measured]

    @cached_property
    def values(self) -> tuple[float, ...]:
        """The objective of each."""
        return tuple(self.placement.problem.value(pj, time_ps) for time_ps, pj in self._totals)

    @property
    def value(self) -> float:
        """The objective of both."""
        return sum(self.values)

    @cached_property
    def late_ps(self) -> int:
        """By how much the longer of them misses the deadline."""
        deadline_ps = self.placement.problem.deadline_ps
        return 0 if deadline_ps is None else max(0, max(time_ps for time_ps, _ in self._totals) - deadline_ps)

    @property
    def rates(self) -> tuple[float, float]:
        """What a pJ and a ps more add to that of the steady one."""
        latency_ps, dynamic_pj = self.recorded.totals[-1]
        return self.placement.problem.rates(dynamic_pj, latency_ps)

    def beats(self, other: Self) -> bool:
        """Whether it is less late, or else better by more than rounding."""
        if self.late_ps != other.late_ps:
            return self.late_ps < other.late_ps
        return self.value < other.value * (1 - ROUNDING)

    def is_no_worse_than(self, other: Self) -> bool:
        """Whether it is no later, and no inference of it is worse by more than rounding where it is not less late."""
        if self.late_ps != other.late_ps:
            return self.late_ps < other.late_ps
        return all(own <= its * (1 + ROUNDING) for own, its in zip(self.values, other.values, strict=True))

    def rules_out(self, floor: float, *, before: bool) -> bool:
        """Whether a plan of that floor, which this one is asked before or after, is surely not the best.

        The sums of both are exact to far less than half of rounding. One that is late rules out none.
        """
        if self.late_ps:
            return False
        return floor >= self.value * (1 - ROUNDING / 2) if before else floor * (1 - 3 * ROUNDING) > self.value


def value_of(placement: Placement, totals: Iterable[tuple[int, float]]) -> float:
    """The objective of inferences that take so long and so much dynamic energy, summed."""
    return sum(placement.problem.value(pj, time_ps) for time_ps, pj in totals)


def best_of(tried: Sequence[TriedPlan], no_worse_than: TriedPlan | None = None) -> TriedPlan | None:
    """The first that none of the others beats, of those that are in no inference worse than another; none of none."""
    best = None
    for each in tried:
        if (best is None or each.beats(best)) and (no_worse_than is None or each.is_no_worse_than(no_worse_than)):
            best = each
    return best


def unbeaten(tried: Sequence[TriedPlan]) -> list[TriedPlan]:
    """Those than which none before is as good in every inference, nor one behind better in one too."""
    left: list[TriedPlan] = []
    for each in tried:
        if not any(other.is_no_worse_than(each) for other in left):
            left = [*(other for other in left if not each.is_no_worse_than(other)), each]
    return left
