"""Everything that can be wrong with a space, found before any design is run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mensa_sim.errors import FileError, MensaError, UsageError
from mensa_sim.hardware.fields import MISSING, field_at, parts_of
from mensa_sim.io.json_text import json_line
from mensa_sim.io.shipped import find
from mensa_sim.lookup import lookup, unknown_name
from mensa_sim.objective import OBJECTIVES
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.registry import SCHEDULERS, SINGLE, options_of
from mensa_sim.simulate.scenario.files import read_scenario
from mensa_sim.simulate.scenario.scenario import Scenario
from mensa_sim.study.explore.metrics import HARDWARE, SearchObjective, Values, hardware_metrics, objectives_of
from mensa_sim.study.explore.scenario import check_stream
from mensa_sim.study.space.build import Builder
from mensa_sim.study.space.conditions import Condition, Value, parse_condition
from mensa_sim.study.space.design import Base, Design, assignments_of, read_base
from mensa_sim.study.space.space import Point, Space, point_at, scattered
from mensa_sim.study.space.values import value_faults

TRIED = 2000
"""Designs of which one must meet all conditions; a space of no more is tried whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSpace:
    """A space without faults, and what its designs are made from."""

    space: Space
    base: Base
    conditions: tuple[Condition, ...]
    objectives: tuple[SearchObjective, ...]
    scenarios: tuple[Scenario, ...]


def check_space(space: Space, overrides: Sequence[str] = ()) -> CheckedSpace:
    """The space with everything its designs need; `FileError` with every fault that can be known beforehand."""
    faults: list[str] = []
    base = _base(space, overrides)
    faults += _schedulers(space, base)
    conditions = _conditions(space, faults)
    scenarios = _scenarios(space, faults)
    objectives: tuple[SearchObjective, ...] = ()
    try:
        objectives = objectives_of(space.file)
        for objective in objectives if scenarios else ():
            chosen = scenarios if objective.scenario is None else scenarios[objective.scenario : objective.scenario + 1]
            check_stream(objective.metric, chosen)
    except UsageError as error:
        faults.append(f"objectives: {error}")
    builder = Builder()
    faults += value_faults(space, base, builder)
    if not faults:
        faults += _condition_faults(space, base, builder, conditions)
    if faults:
        raise FileError(str(space.path), faults)
    return CheckedSpace(
        space=space, base=base, conditions=conditions, objectives=objectives, scenarios=tuple(scenarios)
    )


def _scenarios(space: Space, faults: list[str]) -> list[Scenario]:
    """The scenarios in the order of the space; none of them where one has a fault."""
    try:
        return [read_scenario(find("scenarios", space.nearest(name))) for name in space.file.scenarios]
    except MensaError as error:
        faults.append(f"scenarios: {error}")
        return []


def _base(space: Space, overrides: Sequence[str]) -> Base:
    """The base system with `--set`, and every accelerator file that a design may name."""
    fixed = assignments_of(overrides)
    varied = [pair for parameter in space.parameters for pairs in parameter.assignments for pair in pairs]
    placed = [entry for assignment in (*fixed, *varied) for entry in _placed(*assignment)]
    specs = {entry["spec"]: space.nearest(entry["spec"]) for entry in placed if isinstance(entry.get("spec"), str)}
    optional: set[str] = set()
    for name, value in varied:
        parts = parts_of(name, name)
        if parts[0] == "accelerators" and len(parts) <= 2:
            optional |= {parts[1]} if len(parts) == 2 else {_own_name(entry) for entry in _placed(name, value)}
    try:
        base = read_base(
            space.nearest(space.file.system),
            scheduler=space.file.scheduler,
            objective=space.file.objective,
            fixed=fixed,
            specs=specs,
        )
    except MensaError as error:
        raise FileError(str(space.path), [str(error)]) from error
    return replace(base, optional=frozenset(optional))


def _placed(name: str, value: object) -> list[dict[str, Any]]:
    """The accelerators that an assignment places as a whole, as far as they are mappings."""
    parts = parts_of(name, name)
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict) and parts[0] == "accelerators" and len(parts) <= 2]


def _own_name(entry: dict[str, Any]) -> str:
    """What an entry of a whole list is called: as its changes say, else as its file does."""
    changes = entry.get("set")
    if isinstance(changes, dict) and isinstance(changes.get("name"), str):
        return str(changes["name"])
    return str(entry.get("spec", "")).rsplit("/", 1)[-1].removesuffix(".yaml")


def _schedulers(space: Space, base: Base) -> list[str]:
    """Unknown schedulers, options and objectives of the scheduler, wherever the space names them."""
    faults: list[str] = []
    schedulers: list[tuple[str, object]] = [("scheduler", base.scheduler)]
    objectives: list[tuple[str, object]] = [("objective", base.objective)]
    options: list[tuple[str, str]] = []
    for parameter in space.parameters:
        for name, value in (pair for pairs in parameter.assignments for pair in pairs):
            where = f"parameters.{parameter.name}"
            schedulers += [(where, value)] if name == "scheduler" else []
            objectives += [(where, value)] if name == "objective" else []
            if name.startswith("scheduler."):
                options.append((where, name.removeprefix("scheduler.")))
                if isinstance(value, bool) or not isinstance(value, int | float):
                    faults.append(f"{where}: an option of a scheduler is a number, not {json_line(value, spaced=True)}")
    for where, value in schedulers:
        if not isinstance(value, str) or not (value.startswith(SINGLE) or value in SCHEDULERS):
            faults.append(f"{where}: {unknown_name(str(value), (*SCHEDULERS, f'{SINGLE}NAME'), 'scheduler')}")
    for where, value in objectives:
        if not isinstance(value, str) or value not in OBJECTIVES:
            faults.append(f"{where}: {unknown_name(str(value), OBJECTIVES, 'objective')}")
    known = [option for _, scheduler in schedulers for option in options_of(scheduler)]
    for where, option in dict.fromkeys(options):
        if option not in known:
            faults.append(f"{where}: {unknown_name(option, known, 'option of the schedulers of this space')}")
    return faults


def _conditions(space: Space, faults: list[str]) -> tuple[Condition, ...]:
    found: list[Condition] = []
    for text in space.file.conditions:
        try:
            condition = parse_condition(text)
            for name in condition.names:
                if "." not in name:
                    names = [*HARDWARE, *(parameter.name for parameter in space.parameters), "scheduler", "objective"]
                    lookup(dict.fromkeys(names, 0), name, f"name in the condition {text!r}")
            found.append(condition)
        except UsageError as error:
            faults.append(f"conditions: {error}")
    return tuple(found)


def _condition_faults(space: Space, base: Base, builder: Builder, conditions: Sequence[Condition]) -> list[str]:
    """Whether any design meets all conditions at once; a name that no design has is found here too."""
    held = [0] * len(conditions)
    first_error = ""
    tried = min(TRIED, space.size) if conditions else 0
    for number in range(tried):
        point = point_at(space, scattered(number, space.size))
        try:
            design = base.design(space.assignments(point))
            values = DesignValues(space, point, design, hardware_metrics(builder.system(base, design)))
            answers = [condition.holds(values) for condition in conditions]
        except UsageError as error:
            first_error = first_error or str(error)
            continue
        if all(answers):
            return []
        held = [count + answer for count, answer in zip(held, answers, strict=True)]
    if not tried:
        return []
    of = f"all {space.size} designs" if tried == space.size else f"{tried} designs tried of {space.size}"
    each = "; ".join(f"{c.text} holds in {count}" for c, count in zip(conditions, held, strict=True))
    broken = f"; first error: {first_error}" if first_error else ""
    return [f"conditions: none of {of} meets them all: {each}{broken}"]


class DesignValues:
    """What the names in conditions mean for one design: hardware sums, parameters, dotted fields."""

    def __init__(self, space: Space, point: Point, design: Design, hardware: Values) -> None:
        self._shown = space.shown(point)
        self._design = design
        self._hardware = hardware

    def __call__(self, name: str) -> Value:
        if name in self._shown:
            return self._shown[name]
        if name in self._hardware:
            return self._hardware[name]
        if name in ("scheduler", "objective"):
            return str(getattr(self._design, name))
        return self._field(name)

    def _field(self, name: str) -> Value:
        design = self._design
        data = {**design.system, "accelerators": {n: e.data for n, e in design.entries.items()}}
        found = field_at(data, parts_of(name, "conditions"))
        if found is MISSING:
            raise UsageError(f"a condition asks for {name}, which this design has not")
        if not isinstance(found, int | float | str):
            raise UsageError(f"a condition asks for {name}, which is not one value")
        return found
