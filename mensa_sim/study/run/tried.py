"""Plans of where data lives, compared by what a first inference and a steady one after it come to.

The better one has the lower objective in the inference that is asked for: the first, whose figures a run prints, or a
steady one, of which a stream has many. Of equal ones the other inference decides.
"""

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

_Values = tuple[float, float]


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
    def values(self) -> _Values:
        """The objective of the inference that is asked for, and of the other."""
        return values_of(self.placement, self._totals)

    @cached_property
    def late_ps(self) -> int:
        """By how much the longer of them misses the deadline."""
        deadline_ps = self.placement.problem.deadline_ps
        return 0 if deadline_ps is None else max(0, max(time_ps for time_ps, _ in self._totals) - deadline_ps)

    @property
    def rates(self) -> tuple[float, float]:
        """What a pJ and a ps more add to that of the inference that is asked for."""
        latency_ps, dynamic_pj = self.recorded.totals[self.placement.goal.steady]
        return self.placement.problem.rates(dynamic_pj, latency_ps)

    def beats(self, other: Self) -> bool:
        """Whether it is less late, or else better by more than rounding where the two first differ."""
        if self.late_ps != other.late_ps:
            return self.late_ps < other.late_ps
        (own, then), (its, its_then) = self.values, other.values
        return own < its * (1 - ROUNDING) or (own <= its * (1 + ROUNDING) and then < its_then * (1 - ROUNDING))

    def is_no_worse_than(self, other: Self) -> bool:
        """Whether it is less late, or as late and no inference that is shown worse by more than rounding.

        A run shows both inferences, what a stream shows are steady ones.
        """
        if self.late_ps != other.late_ps:
            return self.late_ps < other.late_ps
        shown = 1 if self.placement.goal.steady else 2
        return all(own <= its * (1 + ROUNDING) for own, its in zip(self.values[:shown], other.values, strict=False))

    def or_better(self, others: Iterable[Self]) -> Self:
        """The best of those that are no worse than this one, which is one of them."""
        best = self
        for each in others:
            if each.beats(best) and each.is_no_worse_than(self):
                best = each
        return best

    def is_below(self, floor: float) -> bool:
        """Whether a plan that is not below that floor is surely not the best; one that is late rules out none."""
        return self.rules_out((floor, 0.0), before=False)

    def rules_out(self, floor: _Values, *, before: bool) -> bool:
        """Whether a plan of no lower values, which this one is asked before or after, is surely not the best.

        Both are exact to far less than half of rounding. One that is late rules out none.
        """
        (own, then), (least, least_then) = self.values, floor
        if self.late_ps or least * (1 - 3 * ROUNDING) > own:
            return not self.late_ps
        no_better = least_then >= then * (1 - ROUNDING / 2) if before else least_then * (1 - 3 * ROUNDING) > then
        return no_better and least >= own * (1 - ROUNDING / 2)


def values_of(placement: Placement, totals: Sequence[tuple[int, float]]) -> _Values:
    """The objective of the inference that is asked for, and of the other, by time and dynamic energy of both."""
    first, steady = (placement.problem.value(pj, time_ps) for time_ps, pj in totals)
    return (steady, first) if placement.goal.steady else (first, steady)


def best_of(tried: Sequence[TriedPlan]) -> TriedPlan:
    """The first that none of the others beats."""
    best = tried[0]
    for each in tried[1:]:
        best = each if each.beats(best) else best
    return best


def unbeaten(tried: Sequence[TriedPlan]) -> list[TriedPlan]:
    """Those than which none before is as good in every inference, nor one behind better in one too."""
    left: list[TriedPlan] = []
    for each in tried:
        if not any(other.is_no_worse_than(each) for other in left):
            left = [*(other for other in left if not each.is_no_worse_than(other)), each]
    return left
