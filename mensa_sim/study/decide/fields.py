"""The fields of systems that a designer may decide otherwise, and the values at which a decision is tried again."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mensa_sim.hardware.accelerator import DatasheetDevice
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import way_field
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.records import dataclass

FACTOR = 4.0
"""Numbers are tried at a quarter and at four times what the file says: a choice, two doublings to either side."""

FieldValue = float | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChoice:
    """A field with its value, on the systems that have the same there."""

    name: str
    """Dotted, as `--set` takes it."""
    taken: FieldValue
    systems: tuple[str, ...]
    most: float = math.inf
    """The largest value that means anything."""

    @property
    def ends(self) -> tuple[FieldValue, ...]:
        """What else is tried: the other of two, or a number's far ends."""
        if isinstance(self.taken, bool):
            return (not self.taken,)
        values = (self.between(0.0, self.taken / FACTOR), min(self.between(0.0, self.taken * FACTOR), self.most))
        return tuple(value for value in dict.fromkeys(values) if value != self.taken and value > 0)

    def between(self, near: float, far: float) -> float | int:
        """The geometric middle of two values (the second where the first is 0), whole where the field is."""
        middle = math.sqrt(near * far) if near else far
        return round(middle) if isinstance(self.taken, int) else middle

    def setting(self, value: FieldValue) -> str:
        """As `--set` takes it."""
        return f"{self.name}={str(value).lower() if isinstance(value, bool) else repr(value)}"


def fields_of(systems: Mapping[str, System]) -> tuple[FieldChoice, ...]:
    """Every such field; one that several systems have with the same value is one, and varies on all of them."""
    found: dict[tuple[str, FieldValue], FieldChoice] = {}
    for name, system in systems.items():
        for each in _of_system(system):
            before = found.get((each.name, each.taken))
            found[each.name, each.taken] = replace(each, systems=(*(before.systems if before else ()), name))
    return tuple(each for each in found.values() if each.ends)


def _of_system(system: System) -> Iterator[FieldChoice]:
    for name, memory in system.memories.items():
        owner = way_field(name, memory)
        yield _field(f"{owner}.bandwidth_bytes_per_s", memory.bandwidth_bytes_per_s)
        yield _field(f"{owner}.efficiency", memory.efficiency, most=1.0)
    for place, link in enumerate(system.links):
        yield _field(f"links.{place}.bandwidth_bytes_per_s", link.bandwidth_bytes_per_s)
        yield _field(f"links.{place}.energy_pj_per_bit", link.energy_pj_per_bit)
    for placed in system.accelerators:
        yield from _of_accelerator(placed)


def _of_accelerator(placed: PlacedAccelerator) -> Iterator[FieldChoice]:
    spec, owner = placed.spec, f"accelerators.{placed.name}"
    if isinstance(spec, DatasheetDevice):
        yield _field(f"{owner}.macs_per_s", spec.macs_per_s)
    if not isinstance(spec, PeArray):
        return
    yield _field(f"{owner}.clock_hz", spec.clock_hz)
    yield _field(f"{owner}.dataflow.batch_steps", spec.dataflow.batch_steps)
    yield _field(f"{owner}.dataflow.overlap", spec.dataflow.overlap)
    for level in spec.levels:
        if level.ported:
            yield _field(f"{owner}.levels.{level.name}.capacity_bytes", level.capacity_bytes)
    if spec.vector_unit is not None:
        yield _field(f"{owner}.vector_unit.lanes", spec.vector_unit.lanes)


def _field(name: str, taken: FieldValue, *, most: float = math.inf) -> FieldChoice:
    return FieldChoice(name=name, taken=taken, systems=(), most=most)
