"""Prices of pairs that were priced before at another clock, bandwidth of the memory, leakage or objective.

Of these the counts of a mapping know nothing: the mappings that may win at any of them are found once, and a price is
told from a few figures of each. To find them takes as long as a few prices, so it is done for a pair that comes again.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Priced, Residency
from mensa_sim.cost.mapping.contenders import Contenders, Race, Won, contenders
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import Mapped
from mensa_sim.cost.mapping.task import Target
from mensa_sim.cost.prices.cases import assembled, gap_of
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.memo import Job
from mensa_sim.cost.prices.recent import Recent
from mensa_sim.cost.prices.together import cases_of, pricers_of, searches
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory

HELD_CONTENDERS = 2**20
"""Contenders in memory at most, of some 80 bytes each. A choice."""
_RACES = 64
"""Sets of pairs in memory that are told apart together: their figures stand there once more. A choice."""
_PAIR = 64
"""So many of them weigh as much as a pair without any. A choice."""


class Contest:
    """A layer on an accelerator at whatever speed: its mappings that may win, and what they cost."""

    def __init__(self, pricer: Pricer, residencies: Sequence[Residency], contenders: Contenders | None) -> None:
        """`residencies` are those of the contenders, for some of which the pricer may have no room; a layer without a
        nest has none."""
        self._pricer, self._residencies, self.contenders = pricer, residencies, contenders
        self._counts: dict[Hashable, tuple[NestMapping, NestCounts]] = {}
        """Of each mapping that has won."""
        self._costs: dict[tuple[Residency, int | None], LayerCost] = {}
        """Of each residency and contender that has won, at some speed."""
        self._stands_for: Mapping[Residency, Residency] = {}
        """By residency, the one whose cost it has: where a mapping fits is the same at every speed."""

    def target(self, speed: Mapping[str, Any]) -> Target:
        """What its nest is priced for at another speed."""
        if self._pricer.task is None:
            raise ValueError(f"{self._pricer.layer.name}: has no nest")
        return replace(self._pricer.task.target, **speed)

    def price(self, accelerator: PeArray, won: Sequence[Won]) -> Priced:
        """The price on an accelerator that is the same in all but its speed, at which these have won."""
        speed = {"clock_hz": accelerator.clock_hz, "peak_macs_per_s": accelerator.peak_macs_per_s}
        own: dict[Residency, LayerCost] = {}
        if self.contenders is None:
            own = {each: self._cost(each, None).changed(**speed) for each in self._pricer.residencies}
        for best in won:
            each = self._residencies[best.case]
            if each in self._pricer.residencies:
                gap = gap_of(best.objective, best.floor)
                own[each] = self._cost(each, best.contender).changed(**speed, floor=best.floor, gap=gap)
        if STREAMED not in own:
            return self._pricer.shortage
        if not self._stands_for:
            self._stands_for = {each: cost.residency for each, cost in self._pricer.costs(own).items()}
        return {each: own[other] for each, other in self._stands_for.items()}

    def _cost(self, residency: Residency, contender: int | None) -> LayerCost:
        """What a contender costs, at some speed."""
        key = residency, contender
        if key not in self._costs:
            (cost,) = assembled([self._pricer.asked(residency)], [self._mapped(contender)])
            assert cost is not None
            self._costs[key] = cost
        return self._costs[key]

    def _mapped(self, contender: int | None) -> Mapped | None:
        """The mapping of a contender with its counts, and no figures, which are those of a speed."""
        task = self._pricer.task
        if task is None or self.contenders is None or contender is None:
            return None
        which = self.contenders.which(contender)
        if which not in self._counts:
            mapping = self.contenders.mapping(contender)
            self._counts[which] = mapping, count_nest(task.nest, task.target.accelerator, mapping, task.ways)
        mapping, counts = self._counts[which]
        return Mapped(mapping=mapping, counted=counts, latency_ps=0, energy_pj=0, objective=0, floor=0)


class Contests:
    """Pairs by all that their price depends on but for speed; those not asked for the longest leave first."""

    def __init__(self, contenders: int = HELD_CONTENDERS) -> None:
        self._most = contenders
        self._once: set[Hashable] = set()
        """Pairs that came; all are forgotten where they are many."""
        self._known = Recent[Hashable, Contest | None](contenders, _weight)
        """None for those whose mapping is searched anew each time."""
        self._races = Recent[frozenset[Contest], tuple[list[Contest], Race]](_RACES)
        """Of pairs that were priced together."""

    def priced(
        self, jobs: Mapping[Hashable, Job], memory: Memory, energy: EnergyModel, objective: str
    ) -> dict[Hashable, Priced]:
        """The prices of those jobs on one accelerator that came before."""
        if not jobs:
            return {}
        found = {key: self._known.get(key) for key in jobs if key in self._known}
        again = [key for key in jobs if key in self._once and key not in found]
        for key, contest in zip(again, _contests([jobs[key] for key in again], memory, energy, objective), strict=True):
            found[key] = contest
            self._known.put(key, contest)
        self._once = (self._once if len(self._once) < self._most // _PAIR else set()) | jobs.keys()
        those = {key: contest for key in jobs if (contest := found.get(key)) is not None}
        speed = {
            "accelerator": next(iter(jobs.values()))[2],
            "bandwidth_bytes_per_s": memory.effective_bytes_per_s,
            "energy": energy,
            "objective": objective,
        }
        won = self._won(those.values(), speed)
        return {key: contest.price(jobs[key][2], won.get(contest, ())) for key, contest in those.items()}

    def _won(self, those: Iterable[Contest], speed: Mapping[str, Any]) -> Mapping[Contest, Sequence[Won]]:
        """By contest, who wins it in a target that differs so."""
        some = frozenset(each for each in those if each.contenders is not None)
        if not some:
            return {}
        known = self._races.get(some)
        if known is None:
            racing = list(some)
            known = racing, Race([each.contenders for each in racing if each.contenders is not None])
            self._races.put(some, known)
        racing, race = known
        return dict(zip(racing, race.won(racing[0].target(speed)), strict=True))


def _weight(contest: Contest | None) -> int:
    return _PAIR + (0 if contest is None or contest.contenders is None else len(contest.contenders))


def _contests(jobs: Sequence[Job], memory: Memory, energy: EnergyModel, objective: str) -> list[Contest | None]:
    """Of each job, but where its mapping is given, is none, or passes several SRAMs."""
    pricers = pricers_of(jobs, memory, energy, objective)
    found = {id(pricer): Contest(pricer, (), None) for pricer in pricers if pricer.task is None}
    for search, some, residencies in searches(pricers):
        for index, those in enumerate(contenders(search, cases_of(some, residencies))):
            pricer = some[index]
            if not those.fit(residencies.index(STREAMED)):
                pricer.shortage = search.shortage(index)
            found[id(pricer)] = Contest(pricer, residencies, those)
    return [found.get(id(pricer)) for pricer in pricers]
