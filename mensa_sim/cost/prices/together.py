"""The costs of several layers on one accelerator: those that are alike are searched in the same arrays."""

from collections.abc import Hashable, Sequence

from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import STREAMED, Priced
from mensa_sim.cost.mapping.search import Search
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.cost.prices.layer import RESIDENCIES, Pricer, has_room
from mensa_sim.cost.recurrent import Steps
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.workload.layer import Layer

_ENTRIES = 4096
"""Entries of the arrays of one search: enough that calls cost little, few enough for a cache. A choice."""


def price_layers(
    jobs: Sequence[tuple[Layer, Steps]], accelerator: PeArray, memory: Memory, energy: EnergyModel, objective: str
) -> list[Priced]:
    """For each layer its cost in each residency, or why the accelerator cannot run it."""
    found: dict[int, Priced] = {}
    alike: dict[Hashable, list[tuple[int, Pricer]]] = {}
    for index, (layer, steps) in enumerate(jobs):
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
    able: list[tuple[Pricer, NestTask]] = []
    for pricer in pricers:
        pricer.found = {} if pricer.fixed else dict.fromkeys(RESIDENCIES)
        if pricer.task is not None and pricer.task.parts and not pricer.fixed:
            able.append((pricer, pricer.task))
    for some in _runs(able):
        search = Search([task for _, task in some])
        held = [each for each in RESIDENCIES if any(has_room(p.layer, p.accelerator, each) for p, _ in some)]
        best = search.best([[pricer.case(residency) for pricer, _ in some] for residency in held])
        for residency, mapped in zip(held, best, strict=True):
            for index, ((pricer, _), found) in enumerate(zip(some, mapped, strict=True)):
                pricer.found[residency] = found
                if found is None and residency == STREAMED:
                    pricer.shortage = search.shortage(index)


def _runs(able: Sequence[tuple[Pricer, NestTask]]) -> list[list[tuple[Pricer, NestTask]]]:
    """Layers that are searched in the same arrays, in their order."""
    runs: list[list[tuple[Pricer, NestTask]]] = []
    entries = _ENTRIES
    for pricer, task in able:
        if entries + task.entries > _ENTRIES:
            runs.append([])
            entries = 0
        runs[-1].append((pricer, task))
        entries += task.entries
    return runs
