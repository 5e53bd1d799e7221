"""The costs of several layers on one accelerator: those that are alike are searched in the same arrays."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED, LayerCost, Priced, Residency
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.search import Mapped, Search
from mensa_sim.cost.mapping.task import take_registers
from mensa_sim.cost.prices.cases import PricedCase, assembled, case_of, work_of
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.memo import Job
from mensa_sim.hardware.memory import Memory

_ENTRIES = 65536
"""Entries of one search, at most some 16 MiB: enough that calls cost little. A choice."""
_CHAINS = 32
"""Entries that each tile of the registers counts as: a choice."""


def price_layers(jobs: Sequence[Job], memory: Memory, energy: EnergyModel, objective: str) -> list[Priced]:
    """For each layer its cost in each residency, or why the accelerator cannot run it.

    The accelerators are one, of whose levels each layer may have less than all; an access costs what `energy` says.
    """
    pricers = pricers_of(jobs, memory, energy, objective)
    for pricer in pricers:
        if not pricer.fixed:
            pricer.found = dict.fromkeys(RESIDENCIES)
    for search, some, held in searches(pricers):
        best = search.best(cases_of(some, held))
        for residency, mapped in zip(held, best, strict=True):
            for index, (pricer, found) in enumerate(zip(some, mapped, strict=True)):
                pricer.found[residency] = found
                if found is None and residency == STREAMED:
                    pricer.shortage = search.shortage(index)
    asked = [(index, each) for index, pricer in enumerate(pricers) for each in pricer.residencies]
    cases = [pricers[index].asked(residency) for index, residency in asked]
    costs = assembled(cases, [pricers[index].best(residency) for index, residency in asked])
    priced: list[dict[Residency, LayerCost]] = [{} for _ in pricers]
    for (index, residency), cost in zip(asked, costs, strict=True):
        if cost is not None:
            priced[index][residency] = cost
    return [
        pricer.costs(own) if STREAMED in own else pricer.shortage for pricer, own in zip(pricers, priced, strict=True)
    ]


def pricers_of(jobs: Sequence[Job], memory: Memory, energy: EnergyModel, objective: str) -> list[Pricer]:
    """One for each layer."""
    return [Pricer(layer, accelerator, memory, energy, steps, objective) for layer, steps, accelerator in jobs]


def searches(pricers: Sequence[Pricer]) -> Iterator[tuple[Search, list[Pricer], list[Residency]]]:
    """Searches of layers that are alike and have a free mapping, these layers, and where any of them has room."""
    alike: dict[Hashable, list[Pricer]] = {}
    for pricer in pricers:
        if not pricer.fixed:
            alike.setdefault(pricer.likeness, []).append(pricer)
    for free in alike.values():
        for search, places in _searches(free):
            some = [free[place] for place in places]
            yield search, some, [each for each in RESIDENCIES if any(each in pricer.residencies for pricer in some)]


def cases_of(pricers: Sequence[Pricer], residencies: Sequence[Residency]) -> list[BufferCase]:
    """What layers that are searched together ask in each residency."""
    work = work_of(pricers)
    return [case_of([pricer.asked(residency) for pricer in pricers], work) for residency in residencies]


def _searches(pricers: Sequence[Pricer]) -> Iterator[tuple[Search, list[int]]]:
    """Searches of layers that are alike, and the places of those in each; a layer without a nest is in none."""
    take_registers([pricer.task for pricer in pricers if pricer.task is not None])
    places: list[int] = []
    entries = 0
    for place, task in enumerate(pricer.task for pricer in pricers):
        if task is None or not task.registers:
            continue
        own = _CHAINS * len(task.registers)
        if places and entries + own > _ENTRIES:
            yield _search_of(pricers, places), places
            places, entries = [], 0
        places.append(place)
        entries += own
    if places:
        yield _search_of(pricers, places), places


def _search_of(pricers: Sequence[Pricer], places: Sequence[int]) -> Search:
    return Search([task for place in places if (task := pricers[place].task) is not None])


def costs_together(asked: Sequence[PricedCase]) -> list[LayerCost | None]:
    """What each costs where the operands that stay on chip, and how often each crosses, are given; none: no room."""
    alike: dict[Hashable, list[int]] = {}
    for index, each in enumerate(asked):
        alike.setdefault(each.pricer.likeness, []).append(index)
    best: list[Mapped | None] = [None] * len(asked)
    for own in alike.values():
        for search, places in _searches([asked[index].pricer for index in own]):
            some = [own[place] for place in places]
            case = case_of([asked[index] for index in some])
            kinds = list(dict.fromkeys(asked[index].kept for index in some))
            found = dict(zip(kinds, search.best([replace(case, kept=kept) for kept in kinds]), strict=True))
            for task, index in enumerate(some):
                best[index] = found[asked[index].kept][task]
    return assembled(asked, best) if asked else []
