"""Prices of pairs that were priced before at another clock, bandwidth of the memory, leakage or objective.

Of these the counts of a mapping know nothing: the mappings that may win at any of them are found once, and a price is
told from a few figures of each. To find them takes as long as a few prices, so it is done for a pair that comes again.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Priced, Residency
from mensa_sim.cost.mapping.contenders import Contenders, contenders
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import Mapped
from mensa_sim.cost.prices.cases import assembled, gap_of
from mensa_sim.cost.prices.known import Job
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.together import cases_of, pricers_of, searches
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory

HELD_CONTENDERS = 2**20
"""Contenders in memory at most, of some 80 bytes each. A choice."""
_PAIR = 64
"""So many of them weigh as much as a pair without any. A choice."""


class Contest:
    """A layer on an accelerator at whatever speed: its mappings that may win, and what they cost."""

    def __init__(self, pricer: Pricer, residencies: Sequence[Residency], those: Contenders | None) -> None:
        """`residencies` are those of the contenders, for some of which the pricer may have no room; a layer without a
        nest has none."""
        self._pricer, self._residencies, self._those = pricer, residencies, those
        self._counts: dict[Hashable, tuple[NestMapping, NestCounts]] = {}
        """Of each mapping that has won."""
        self._costs: dict[Hashable, LayerCost] = {}
        """Of each residency and contender that has won, at some speed."""
        self._stands_for: Mapping[Residency, Residency] = {}
        """By residency, the one whose cost it has: where a mapping fits is the same at every speed."""
        self.contenders = 0 if those is None else len(those)

    def price(self, accelerator: PeArray, memory: Memory, energy: EnergyModel, objective: str) -> Priced:
        """The price at the speed of an accelerator and a memory that are the same in all else."""
        speed = {"clock_hz": accelerator.clock_hz, "peak_macs_per_s": accelerator.peak_macs_per_s}
        own: dict[Residency, LayerCost] = {}
        if self._pricer.task is None or self._those is None:
            own = {each: self._cost(each, None).changed(**speed) for each in self._pricer.residencies}
        else:
            target = replace(
                self._pricer.task.target,
                accelerator=accelerator,
                energy=energy,
                bandwidth_bytes_per_s=memory.effective_bytes_per_s,
                objective=objective,
            )
            for number, contender, reached, floor in self._those.best(target):
                each = self._residencies[number]
                if each in self._pricer.residencies:
                    cost = self._cost(each, contender)
                    own[each] = cost.changed(**speed, floor=floor, gap=gap_of(reached, floor))
        if STREAMED not in own:
            return self._pricer.shortage
        if not self._stands_for:
            self._stands_for = {each: cost.residency for each, cost in self._pricer.costs(own).items()}
        return {each: own[other] for each, other in self._stands_for.items()}

    def _cost(self, residency: Residency, contender: int | None) -> LayerCost:
        """What a contender costs, at some speed."""
        key = residency, contender
        if key not in self._costs:
            (cost,) = assembled([self._pricer.asked(residency)], [self._won(contender)])
            assert cost is not None
            self._costs[key] = cost
        return self._costs[key]

    def _won(self, contender: int | None) -> Mapped | None:
        """The mapping of a contender with its counts, and no figures, which are those of a speed."""
        task = self._pricer.task
        if task is None or self._those is None or contender is None:
            return None
        which = self._those.which(contender)
        if which not in self._counts:
            mapping = self._those.mapping(contender)
            self._counts[which] = mapping, count_nest(task.nest, task.target.accelerator, mapping, task.ways)
        mapping, counts = self._counts[which]
        return Mapped(mapping=mapping, counted=counts, latency_ps=0, energy_pj=0, objective=0, floor=0)


class Contests:
    """Pairs by all that their price depends on but for speed; those not asked for the longest leave first."""

    def __init__(self, contenders: int = HELD_CONTENDERS) -> None:
        self._most, self._held = contenders, 0
        self._once: set[Hashable] = set()
        """Pairs that came; all are forgotten where they are many."""
        self._known: OrderedDict[Hashable, Contest | None] = OrderedDict()
        """None for those whose mapping is searched anew each time."""

    def priced(
        self, jobs: Mapping[Hashable, Job], memory: Memory, energy: EnergyModel, objective: str
    ) -> dict[Hashable, Priced]:
        """The prices of those jobs on one accelerator that came before."""
        again = [key for key in jobs if key in self._once and key not in self._known]
        for key, contest in zip(again, _contests([jobs[key] for key in again], memory, energy, objective), strict=True):
            self._known[key] = contest
            self._held += _weight(contest)
        self._once = (self._once if len(self._once) < self._most // _PAIR else set()) | jobs.keys()
        found: dict[Hashable, Priced] = {}
        for key, (_, _, accelerator) in jobs.items():
            contest = self._known.get(key)
            if contest is not None:
                self._known.move_to_end(key)
                found[key] = contest.price(accelerator, memory, energy, objective)
        while self._held > self._most:
            self._held -= _weight(self._known.popitem(last=False)[1])
        return found


def _weight(contest: Contest | None) -> int:
    return _PAIR + (0 if contest is None else contest.contenders)


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
