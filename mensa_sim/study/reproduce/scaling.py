"""What a run costs at other energies: the same mappings, schedule and timeline, every component at its new price.

The energy of a run is a sum of counts times prices. Where a change of the technology multiplies the price of a
component as a whole, the sum follows without running anything again, and exactly so for the mappings chosen; whether
others would now be chosen, only a run says.
"""

import dataclasses
import math
from collections.abc import Mapping

from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.host import HOST
from mensa_sim.hardware.routes import link_name
from mensa_sim.hardware.static_energy import BACKGROUND, BOARD, LEAKAGE, static_power
from mensa_sim.hardware.system import System
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.study.reproduce.outcome import Outcome

Factors = Mapping[tuple[str, str], float]
"""What each resource's component is multiplied by; absent means 1."""


def multiplied(technology: Technology, factors: Mapping[str, float]) -> tuple[str, ...]:
    """The settings that multiply constants, named as `Technology.constants()` has them, or other numbers of it."""
    constants = technology.constants()
    values = {
        name: constants[name].value if name in constants else float(getattr(technology, name)) for name in factors
    }
    return tuple(f"technology.{name}={value * factors[name]!r}" for name, value in values.items())


def price_factors(old: System, new: System) -> Factors:
    """How the prices of a system's components change; `ValueError` where one number does not say it."""
    found = _static(old, new)
    for before, after in zip(old.accelerators, new.accelerators, strict=True):
        if before.spec != after.spec:
            raise ValueError(f"{before.name}: its structure changes, so it must be run again")
        if isinstance(before.spec, PeArray):  # what a device draws is its own, and no technology's
            models = (energy_model(before, old.memory_of(before.name)), energy_model(after, new.memory_of(after.name)))
            found |= {(before.name, component): factor for component, factor in _dynamic(*models).items()}
    for name, memory in old.memories.items():
        other = new.memories[name]
        if other.effective_bytes_per_s != memory.effective_bytes_per_s:
            raise ValueError(f"{name}: its bandwidth changes, so it must be run again")
        bits = [
            _ratio(memory.read_pj_per_bit, other.read_pj_per_bit),
            _ratio(memory.write_pj_per_bit, other.write_pj_per_bit),
        ]
        found[name, "memory"] = _one(name, bits)
    for link, changed in zip(old.links, new.links, strict=True):
        found[link_name(link), "link"] = _ratio(link.energy_pj_per_bit, changed.energy_pj_per_bit)
    return {key: factor for key, factor in found.items() if factor != 1}


def _dynamic(old: EnergyModel, new: EnergyModel) -> dict[str, float]:
    factors = {
        "mac": _ratio(old.mac_pj(8, 8), new.mac_pj(8, 8)),
        "vector": _ratio(old.vector_pj, new.vector_pj),
        "network": _ratio(old.broadcast_pj_per_bit, new.broadcast_pj_per_bit),
    }
    by_component: dict[str, list[float]] = {}
    for name, component in old.components.items():
        by_component.setdefault(component, []).extend(
            (_ratio(old.read_pj[name], new.read_pj[name]), _ratio(old.write_pj[name], new.write_pj[name]))
        )
    return factors | {component: _one(component, ratios) for component, ratios in by_component.items()}


def _static(old: System, new: System) -> dict[tuple[str, str], float]:
    before, after = static_power(old), static_power(new)
    found = {
        (accelerator, f"{LEAKAGE} {name}"): _ratio(power, after.leakage_mw[accelerator][name])
        for accelerator, parts in before.leakage_mw.items()
        for name, power in parts.items()
    }
    found |= {
        (memory, BACKGROUND): _ratio(power, after.background_mw[memory])
        for memory, power in before.background_mw.items()
    }
    return found | {(HOST, BOARD): _ratio(before.board_mw, after.board_mw)}


def _ratio(old: float, new: float) -> float:
    if old == new:
        return 1.0
    if not old:
        raise ValueError("a price of nothing changes, so it must be run again")
    return new / old


def _one(name: str, ratios: list[float]) -> float:
    if not all(math.isclose(ratio, ratios[0], rel_tol=1e-9) for ratio in ratios):
        raise ValueError(f"{name}: its prices change by different factors, so it must be run again")
    return ratios[0]


def at_prices(outcome: Outcome, factors: Factors) -> Outcome:
    """The first inference with the same counts and times, every component at its new price.

    The energies of the steady state and of the schedule's objective are not split by component: they stay as they were.
    """
    priced = {
        resource: {component: energy * factors.get((resource, component), 1.0) for component, energy in parts.items()}
        for resource, parts in outcome.energy_by_resource_pj.items()
    }
    return dataclasses.replace(outcome, energy_by_resource_pj=priced)
