"""From a design's plain data to a system, checked."""

import json

from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.fields import parts_of, set_field
from mensa_sim.hardware.files import assembled_system, technology_at_own_node, validated_accelerator
from mensa_sim.hardware.system import PlacedAccelerator, System, SystemFile
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.io.files import Raw, validate
from mensa_sim.study.space.design import Base, Design, Entry, TechnologyKey, fresh


class Builder:
    """Builds designs one after another; what two have in common is checked once."""

    def __init__(self) -> None:
        self._specs: dict[str, Accelerator] = {}
        self._technologies: dict[TechnologyKey, Technology] = {}

    def system(self, base: Base, design: Design) -> System:
        """The checked system; `UsageError` with its faults."""
        placed = tuple(
            PlacedAccelerator(
                spec=self._spec(base, name, entry),
                technology=self._technology(base, entry.technology),
                memory=entry.memory,
            )
            for name, entry in design.entries.items()
        )
        entries = [{"spec": name, "memory": entry.memory} for name, entry in design.entries.items()]
        file = validate({**design.system, "accelerators": entries}, SystemFile, base.label)
        return assembled_system(file, placed, base.label)

    def _spec(self, base: Base, name: str, entry: Entry) -> Accelerator:
        if entry.text not in self._specs:
            if len(self._specs) > 4096:
                self._specs.clear()
            self._specs[entry.text] = validated_accelerator(entry.data, f"{base.label}: accelerators.{name}")
        return self._specs[entry.text]

    def _technology(self, base: Base, key: TechnologyKey) -> Technology:
        if key not in self._technologies:
            if len(self._technologies) > 256:
                self._technologies.clear()
            self._technologies[key] = technology_at_own_node(
                validate(technology_data(base, key), Technology, key[0]), key[0]
            )
        return self._technologies[key]


def technology_data(base: Base, key: TechnologyKey) -> Raw:
    """A technology's plain data with a design's changes."""
    path, changes = key
    data: Raw = fresh(base.technologies[path])
    for name, value in json.loads(changes):
        set_field(data, parts_of(name, "technology"), value, f"technology.{name}")
    return data
