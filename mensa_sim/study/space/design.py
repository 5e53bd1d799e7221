"""From a point of a space to a design: the base system's plain data with fields changed.

Everything is plain data that was read before the search began, so a design can be built on a machine that has none of
the files. Fields are those of `--set`, and `accelerators` (a whole list), `accelerators.NAME` (an entry, or nothing to
leave it out), `scheduler`, `scheduler.OPTION` and `objective`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.flow import LAYERS
from mensa_sim.hardware.array.short_form import in_levels
from mensa_sim.hardware.fields import FieldPlace, Parts, parse_override, parts_of, place_of, set_field
from mensa_sim.hardware.files import (
    NAMED_FILES,
    accelerator_data,
    files_named,
    load_accelerator,
    load_system,
    system_data,
)
from mensa_sim.io.files import Raw, read_mapping
from mensa_sim.io.json_text import json_line
from mensa_sim.io.shipped import find
from mensa_sim.lookup import unknown_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.schedule.policies.registry import options_of
from mensa_sim.study.run.placement import check_scheduling, goal_on
from mensa_sim.study.space.space import Assignment

TechnologyKey = tuple[str, str]
"""A technology file's path, and the fields that differ from it as JSON text."""


@dataclass(kw_only=True)
class Entry:
    """One accelerator of a design: its file's plain data, its memory, and changed fields of its technology.

    Designs share those that they leave as they are: who changes one takes a copy, and does so before its text is read.
    """

    data: Raw
    memory: Any
    technology_changes: list[Assignment] = field(default_factory=list)

    @cached_property
    def technology(self) -> TechnologyKey:
        return str(self.data.get("technology", "")), json_line(self.technology_changes)

    @cached_property
    def text(self) -> str:
        """Its data, as they stand in its file."""
        return json_line(self.data)

    @cached_property
    def identity(self) -> str:
        """Text that entries share exactly when they are the same."""
        return json_line([self.data, self.memory, self.technology], sort_keys=True)

    def copy(self) -> "Entry":
        return Entry(data=fresh(self.data), memory=self.memory, technology_changes=list(self.technology_changes))


@dataclass(slots=True, kw_only=True)
class Design:
    """A design as plain data: what its files would hold, and how it is scheduled."""

    system: Raw
    entries: dict[str, Entry]
    scheduler: str
    objective: str
    flow: str
    options: dict[str, Any] = field(default_factory=dict)

    def identity(self) -> str:
        """Text that two designs share exactly when they are the same design."""
        entries = [(name, entry.identity) for name, entry in self.entries.items()]
        return json_line(
            [self.system, entries, self.scheduler, self.objective, self.flow, self.options], sort_keys=True
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What every design of a space starts from, and every file that a design may name."""

    label: str
    system: Raw
    """The system's file without its accelerators."""
    entries: Mapping[str, Entry]
    specs: Mapping[str, Raw]
    """Accelerator files by the text that names them in the space."""
    technologies: Mapping[str, Raw]
    """Technology files by path."""
    scheduler: str
    objective: str
    flow: str
    """How data flows between layers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of that scheduler."""
    optional: frozenset[str] = frozenset()
    """Accelerators that some designs have and others have not."""

    def design(self, assignments: Iterable[Assignment] = ()) -> Design:
        """The design that some assignments make, those of whole accelerators first; `UsageError` for a bad field.

        Passed over: fields of an accelerator that this design leaves out, and options that its scheduler has not.
        With the last accelerator on a memory go the memory and its links, and with any accelerator that the table of
        families names goes that table.
        """
        design = Design(
            system=fresh(self.system),
            entries=dict(self.entries),
            scheduler=self.scheduler,
            objective=self.objective,
            flow=self.flow,
            options=dict(self.options),
        )
        assigned = list(assignments)
        for name, value in assigned:
            if _is_structure(name):
                self._restructure(design, parts_of(name, name), value)
        for name, value in assigned:
            if not _is_structure(name):
                self._set(design, name, fresh(value))
        _prune(design, self)
        known = options_of(design.scheduler)
        design.options = {name: value for name, value in design.options.items() if name in known}
        return design

    def identity(self) -> str:
        """Text that changes with anything that a design of this base depends on."""
        specs = [self.specs, self.technologies, sorted(self.optional)]
        return json_line([self.design().identity(), specs], sort_keys=True)

    def _restructure(self, design: Design, parts: Parts, value: Any) -> None:
        if parts == ("accelerators",):
            if not isinstance(value, list) or not value:
                raise UsageError("accelerators: must be a list of entries with spec and memory")
            design.entries = {}
            for number, each in enumerate(value):
                entry = self._entry(each, f"accelerators[{number}]")
                design.entries[str(entry.data.get("name"))] = entry
            if len(design.entries) != len(value):
                raise UsageError("accelerators: two have the same name; give one another: set: {name: ...}")
        elif value is None:
            design.entries.pop(parts[1], None)
        else:
            entry = self._entry(value, ".".join(parts))
            entry.data["name"] = parts[1]
            design.entries[parts[1]] = entry

    def _entry(self, value: Any, shown: str) -> Entry:
        if not isinstance(value, dict) or not {"spec", "memory"} <= set(value) <= {"spec", "memory", "set"}:
            raise UsageError(f"{shown}: must be a mapping with spec, memory and, if wanted, set")
        own = value.get("set") or {}
        if not isinstance(value["spec"], str) or not isinstance(own, dict):
            raise UsageError(f"{shown}: spec must be a text, and set a mapping of fields to values")
        entry = Entry(data=fresh(self.specs[value["spec"]]), memory=_memory(value["memory"], f"{shown}.memory"))
        for name, changed in own.items():
            set_field(entry.data, in_levels(parts_of(name, f"{shown}.set")), changed, f"{shown}.set.{name}")
        return entry

    def _set(self, design: Design, name: str, value: Any) -> None:
        parts = parts_of(name, name)
        match parts:
            case ("scheduler",):
                design.scheduler = value
            case ("objective",):
                design.objective = value
            case ("scheduling", *_):
                raise UsageError(f"{name}: vary scheduler, scheduler.OPTION or objective")
            case ("scheduler", option):
                design.options[option] = value
            case _:
                self._set_field(design, place_of(parts, name), value, name)

    def _set_field(self, design: Design, place: FieldPlace, value: Any, shown: str) -> None:
        name = place.accelerator
        if place.owner == "system":
            set_field(design.system, place.inside, value, shown)
        elif name is None:
            for each in design.entries:
                _own_entry(design, each).technology_changes.append((".".join(place.inside), value))
        elif name in design.entries:
            _set_entry(_own_entry(design, name), place, value, shown)
        elif name not in self.entries and name not in self.optional:
            raise UsageError(f"{shown}: {unknown_name(name, {*self.entries, *self.optional}, 'accelerator')}")


def assignments_of(overrides: Iterable[str]) -> list[Assignment]:
    """`FIELD=VALUE` texts as assignments."""
    return [(".".join(parts), value) for parts, value in map(parse_override, overrides)]


def _is_structure(name: str) -> bool:
    return name == "accelerators" or (name.startswith("accelerators.") and name.count(".") == 1)


def _own_entry(design: Design, name: str) -> Entry:
    """An entry of a design that no other design has."""
    design.entries[name] = design.entries[name].copy()
    return design.entries[name]


def _set_entry(entry: Entry, place: FieldPlace, value: Any, shown: str) -> None:
    if place.owner == "placing":
        entry.memory = _memory(value, shown)
    elif place.owner == "technology":
        entry.technology_changes.append((".".join(place.inside), value))
    elif place.inside in (("technology",), ("name",)):
        raise UsageError(f"{shown}: cannot vary; vary accelerators.NAME with an entry of another spec")
    else:
        set_field(entry.data, place.inside, value, shown)


def _memory(value: object, shown: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{shown}: must be the name of a memory, a text")
    return value


def _joins(link: object, memories: Sequence[str]) -> bool:
    """Whether a link has an end in one of these; what is no link is refused where the system is built."""
    between = link.get("between") if isinstance(link, dict) else None
    return isinstance(between, list) and any(name in memories for name in between)


def _prune(design: Design, base: Base) -> None:
    """Leaves out what only accelerators that this design has not would use."""
    used, once_used = ({entry.memory for entry in table.values()} for table in (design.entries, base.entries))
    memories = design.system.get("memories")
    if isinstance(memories, dict):
        gone = [name for name in memories if name not in used and (name in once_used or base.optional)]
        for name in gone:
            del memories[name]
        links = design.system.get("links") or []
        if gone and isinstance(links, list):
            design.system["links"] = [link for link in links if not _joins(link, gone)]
    families = design.system.get("families") or {}
    named = {name for name in families.values() if isinstance(name, str)} if isinstance(families, dict) else set()
    if not named <= set(design.entries):
        del design.system["families"]


def fresh(data: Any) -> Any:
    """A copy of plain data that shares nothing that can change."""
    if isinstance(data, dict):
        return {key: fresh(value) for key, value in data.items()}
    return [fresh(each) for each in data] if isinstance(data, list) else data


def read_base(
    system: str,
    *,
    scheduler: str | None = None,
    objective: str | None = None,
    unsaid_flow: str = LAYERS,
    fixed: Iterable[Assignment] = (),
    specs: Mapping[str, str] | None = None,
) -> Base:
    """Everything that designs need, read once: the system, and the accelerator files that `specs` names.

    `scheduler` and `objective` are those of the system's own file unless given, the flow is that of the file if it says
    one. `specs` gives the path of each file by the text that names it in the space; `fixed` assignments hold in every
    design.
    """
    own = check_scheduling(load_system(system))
    goal = goal_on(own, scheduler=scheduler, objective=objective, unsaid_flow=unsaid_flow)
    path, raw, accelerators = system_data(system)
    placed = zip(accelerators.items(), raw["accelerators"], strict=True)
    entries = {
        name: Entry(data=_absolute(data, where), memory=entry["memory"]) for (name, (where, data)), entry in placed
    }
    found = {name: _read_spec(target) for name, target in (specs or {}).items()}
    used = [*(entry.data for entry in entries.values()), *found.values()]
    technologies = {name: read_mapping(Path(name)) for name in dict.fromkeys(data["technology"] for data in used)}
    base = Base(
        label=str(path),
        system={key: value for key, value in raw.items() if key not in ("accelerators", "scheduling")},
        entries=entries,
        specs=found,
        technologies=technologies,
        scheduler=name_of(goal.scheduler),
        objective=goal.objective,
        flow=goal.flow,
        options=goal.options,
    )
    design = base.design(fixed)
    return replace(
        base,
        system=design.system,
        entries=design.entries,
        scheduler=design.scheduler,
        objective=design.objective,
        options=design.options,
    )


def _read_spec(name: str) -> Raw:
    path = find("accelerators", name)
    load_accelerator(path)
    return _absolute(accelerator_data(path), path)


def _absolute(data: Raw, where: Path) -> Raw:
    """An accelerator's plain data with the paths that it names made independent of where its file lies."""
    named = {key: data[key] for key in NAMED_FILES if data.get(key)}
    return {**data, **{key: str(target.resolve()) for key, target in files_named(where, named).items()}}
