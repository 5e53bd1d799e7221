"""The prices of several layers on one accelerator: what is known is looked up, and the rest priced."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import LayerCost, Priced
from mensa_sim.cost.prices.memo import PairKey, PriceMemo
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.workload.layer import Layer

Key = TypeVar("Key")

Job = tuple[Layer, Steps, PeArray]
"""A layer on an accelerator, of whose levels it may have less than all."""

_TOGETHER = 64
"""Jobs of one accelerator that are looked up and priced together: a choice."""


def known_or_priced(
    memo: PriceMemo, jobs: Mapping[PairKey, Job], memory: Memory, energy: EnergyModel, objective: str
) -> dict[PairKey, Priced]:
    """The price of each job on one accelerator, from the memo where it holds it, by a key of all it depends on.

    A limit of power is no part of that: it slows what was found.
    """
    found: dict[PairKey, Priced] = {}
    keys = list(jobs)
    for first in range(0, len(keys), _TOGETHER):
        some = keys[first : first + _TOGETHER]
        found |= memo.held(some)
        if memo.contests is not None:
            left = {memo.at_any_speed(key): key for key in some if key not in found}
            again = memo.contests.priced({own: jobs[key] for own, key in left.items()}, memory, energy, objective)
            found |= {left[own]: priced for own, priced in again.items()}
        found |= memo.get([key for key in some if key not in found])
        new = [key for key in some if key not in found]
        if not new:
            continue
        from mensa_sim.cost.prices.together import price_layers  # the search: many modules, where all is known unused

        priced = dict(zip(new, price_layers([jobs[key] for key in new], memory, energy, objective), strict=True))
        memo.put(priced)
        found |= priced
    return {key: each if isinstance(each, str) else limited(each, memory) for key, each in found.items()}


def limited(costs: Mapping[Key, LayerCost], memory: Memory) -> Mapping[Key, LayerCost]:
    """The costs of a unit's layers under what it may spend; residencies that cost the same share one record still."""
    power_mw = memory.unit_power_mw
    if power_mw is None:
        return costs
    slowed = {id(cost): replace(cost, power_mw=power_mw) for cost in costs.values()}
    return {key: slowed[id(cost)] for key, cost in costs.items()}
