"""Pools: accelerators of a system that are equal but for their names, on one memory."""

from dataclasses import replace

from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import PlacedAccelerator, System


def pools_of(system: System) -> tuple[tuple[str, ...], ...]:
    """The names of each pool of at least two, in the system's order; measured devices are in none."""
    pools: list[list[PlacedAccelerator]] = []
    for placed in system.accelerators:
        alike = next((pool for pool in pools if _equal(pool[0], placed)), None)
        if alike is None:
            pools.append([placed])
        else:
            alike.append(placed)
    return tuple(tuple(placed.name for placed in pool) for pool in pools if len(pool) > 1)


def _equal(one: PlacedAccelerator, other: PlacedAccelerator) -> bool:
    arrays = isinstance(one.spec, PeArray) and isinstance(other.spec, PeArray)
    return arrays and replace(one, spec=replace(one.spec, name=other.name)) == other
