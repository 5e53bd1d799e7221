"""The costs of several layers on one accelerator: those that are alike are searched in the same arrays."""

from collections.abc import Hashable, Iterator, Sequence

from mensa_sim.cost.counts.tally import Repeats
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED, LayerCost, Priced
from mensa_sim.cost.mapping.search import Mapped, Search
from mensa_sim.cost.prices.known import Job
from mensa_sim.cost.prices.layer import Pricer, has_room
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.memory import Memory
from mensa_sim.workload.dims import Operand

_ENTRIES = 16384
"""Entries of the arrays of one search: enough that calls cost little, few enough for a cache. A choice."""


def price_layers(jobs: Sequence[Job], memory: Memory, energy: EnergyModel, objective: str) -> list[Priced]:
    """For each layer its cost in each residency, or why the accelerator cannot run it.

    The accelerators are one, of whose levels each layer may have less than all; an access costs what `energy` says.
    """
    found: dict[int, Priced] = {}
    alike: dict[Hashable, list[tuple[int, Pricer]]] = {}
    for index, (layer, steps, accelerator) in enumerate(jobs):
        pricer = Pricer(layer, accelerator, memory, energy, steps, objective)
        alike.setdefault(pricer.likeness, []).append((index, pricer))
    for some in alike.values():
        _search([pricer for _, pricer in some])
        for index, pricer in some:
            try:
                found[index] = pricer.costs()
            except InfeasibleError as refusal:
                found[index] = str(refusal)
    return [found[index] for index in range(len(jobs))]


def _search(pricers: Sequence[Pricer]) -> None:
    """Find the best mappings of layers that are alike, in the residencies for which any has room."""
    for pricer in pricers:
        pricer.found = {} if pricer.fixed else dict.fromkeys(RESIDENCIES)
    free = [pricer for pricer in pricers if not pricer.fixed]
    for search, places in _searches(free):
        some = [free[place] for place in places]
        held = [each for each in RESIDENCIES if any(has_room(p.layer, p.accelerator, each) for p in some)]
        best = search.best([[pricer.case(residency) for pricer in some] for residency in held])
        for residency, mapped in zip(held, best, strict=True):
            for index, (pricer, found) in enumerate(zip(some, mapped, strict=True)):
                pricer.found[residency] = found
                if found is None and residency == STREAMED:
                    pricer.shortage = search.shortage(index)


def _searches(pricers: Sequence[Pricer]) -> Iterator[tuple[Search, list[int]]]:
    """Searches of layers that are alike, and the places of those in each; a layer without a nest is in none."""
    places: list[int] = []
    entries = 0
    for place, task in enumerate(pricer.task for pricer in pricers):
        if task is None or not task.registers:
            continue
        if places and entries + task.entries > _ENTRIES:
            yield _search_of(pricers, places), places
            places, entries = [], 0
        places.append(place)
        entries += task.entries
    if places:
        yield _search_of(pricers, places), places


def _search_of(pricers: Sequence[Pricer], places: Sequence[int]) -> Search:
    return Search([task for place in places if (task := pricers[place].task) is not None])


def costs_together(asked: Sequence[tuple[Pricer, Repeats, frozenset[Operand]]]) -> list[LayerCost | None]:
    """What each costs where the operands that stay on chip, and how often each crosses, are given; none: no room."""
    alike: dict[Hashable, list[int]] = {}
    for index, (pricer, _, kept) in enumerate(asked):
        alike.setdefault((pricer.likeness, kept), []).append(index)
    best: dict[int, Mapped | None] = {}
    for own in alike.values():
        for search, places in _searches([asked[index][0] for index in own]):
            some = [own[place] for place in places]
            (found,) = search.best([[asked[i][0].case_of(asked[i][1], asked[i][2]) for i in some]])
            best |= zip(some, found, strict=True)
    return [
        pricer.assembled(best.get(index), repeats, kept, STREAMED)
        for index, (pricer, repeats, kept) in enumerate(asked)
    ]
