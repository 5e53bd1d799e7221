"""Leakage power of an accelerator's components, and what a limit of power leaves for work."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.area import by_component
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.units import PJ_PER_MJ


def component_leakage_mw(placed: PlacedAccelerator) -> Mapping[str, float]:
    """Leakage power of each component: mac, register, those of the levels, vector; and its clock network's power.

    Memory background belongs to the system's memories. A measured accelerator's is its idle power, as `device`.
    """
    if isinstance(placed.spec, Device):
        return {} if placed.spec.idle_mw is None else {"device": placed.spec.idle_mw.value}
    leakage, spec = by_component(placed, "leakage_mw"), placed.array
    if spec.clock_network_pj_per_cycle is not None:
        leakage["clock"] = spec.clock_network_pj_per_cycle.value * spec.clock_hz / PJ_PER_MJ
    return leakage


def under_limit(name: str, memory: Memory, limit_mw: float, accelerators: Sequence[PlacedAccelerator]) -> Memory:
    """A way into a memory whose units share what its limit leaves beside leakage and background.

    Raises `ValueError` where that is nothing.
    """
    idle_mw = idle_mw_of(name, memory, accelerators)
    if limit_mw <= idle_mw:
        raise ValueError(f"is {limit_mw:g} mW, and idle it draws {idle_mw:.4g} with what hangs on it")
    units = sum(placed.memory == name for placed in accelerators)
    return replace(memory, unit_power_mw=(limit_mw - idle_mw) / units) if units else memory


def idle_mw_of(name: str, memory: Memory, accelerators: Sequence[PlacedAccelerator]) -> float:
    """What a way into a memory draws, with the units that hang on it, however little they do."""
    units = (placed for placed in accelerators if placed.memory == name)
    return memory.background_mw + sum(sum(component_leakage_mw(placed).values()) for placed in units)
